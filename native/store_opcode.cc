#include "store_opcode.h"

/** Tables of Intel's Software Developer's Manual, volume 2: the opcodes with a destination in memory. */
namespace faultline {

namespace {

constexpr int kNone = 0;
constexpr int k66 = 1;
constexpr int kF3 = 2;

StoreInstruction plain(uint8_t width) {
  StoreInstruction store;
  store.width = width;
  return store;
}

StoreInstruction streamed(uint8_t width) {
  StoreInstruction store = plain(width);
  store.nonTemporal = true;
  return store;
}

StoreInstruction from(StoreSource source, uint8_t width) {
  StoreInstruction store = plain(width);
  store.source = source;
  return store;
}

StoreInstruction compareAndStore(uint8_t width) {
  StoreInstruction store = plain(width);
  store.kind = StoreKind::kIfEqual;
  return store;
}

StoreInstruction updating(StoreUpdate update, uint8_t width) {
  StoreInstruction store = update == StoreUpdate::kCompare ? compareAndStore(width) : plain(width);
  store.update = update;
  return store;
}

/** x87: opcode d9 to df, by group. */
StoreInstruction x87(uint8_t code, unsigned group) {
  static constexpr uint8_t kWidths[4][8] = {
      {0, 0, 4, 4, 0, 0, 0, 2},   // d9: fst, fstp, fnstcw
      {0, 4, 4, 4, 0, 0, 0, 10},  // db: fisttp, fist, fistp, fstp
      {0, 8, 8, 8, 0, 0, 0, 2},   // dd: fisttp, fst, fstp, fnstsw
      {0, 2, 2, 2, 0, 0, 10, 8},  // df: fisttp, fist, fistp, fbstp, fistp
  };
  return plain(kWidths[(code - 0xd9) / 2][group]);
}

StoreInstruction oneByte(Opcode& op, unsigned group) {
  const uint8_t code = op.code;
  const uint8_t width = (code & 1) != 0 ? op.operandBytes() : 1;
  // add, or, adc, sbb, and, sub, xor; the last of the eight, cmp, stores nothing.
  if (code < 0x38 && (code & 7) < 2) {
    op.readsGeneral = true;
    return plain(width);
  }
  switch (code) {
    case 0x80:
    case 0x81:
      return plain(group == 7 ? 0 : width);
    case 0x83:
      return plain(group == 7 ? 0 : op.operandBytes());
    case 0x86:
    case 0x87:
      op.readsGeneral = true;
      op.writesGeneral = true;
      return updating(StoreUpdate::kExchange, width);
    case 0x88:
    case 0x89:
      op.readsGeneral = true;
      return from(StoreSource::kGeneral, width);
    case 0xc6:
    case 0xc7:
      return group == 0 ? from(StoreSource::kImmediate, width) : plain(0);
    case 0xc0:
    case 0xc1:
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
      return plain(width);
    case 0xf6:
    case 0xf7:
      return plain(group == 2 || group == 3 ? width : 0);
    case 0xfe:
    case 0xff:
      return plain(group < 2 ? width : 0);
    case 0xd9:
    case 0xdb:
    case 0xdd:
    case 0xdf:
      return x87(code, group);
    default:
      return plain(0);
  }
}

/** Whole vector registers, and their low parts, in every encoding. Scalars carry their width in the prefix. */
StoreInstruction vectorMove(const Opcode& op) {
  const uint8_t scalar = op.mandatory == kF3 ? 4 : op.mandatory == kNone || op.mandatory == k66 ? 0 : 8;
  switch (op.code) {
    case 0x11:
      return from(StoreSource::kVector, scalar != 0 ? scalar : op.vectorBytes);
    case 0x13:
      return from(StoreSource::kVector, 8);
    case 0x17:
      return plain(8);
    case 0x29:
      return from(StoreSource::kVector, op.vectorBytes);
    case 0x2b:
      return streamed(op.vectorBytes);
    case 0x7e:
      return op.mandatory == k66 ? from(StoreSource::kVector, op.wide ? 8 : 4) : plain(0);
    case 0x7f:
      return op.mandatory == kNone ? plain(8) : from(StoreSource::kVector, op.vectorBytes);
    case 0xd6:
      return op.mandatory == k66 ? from(StoreSource::kVector, 8) : plain(0);
    case 0xe7:
      return streamed(op.mandatory == k66 ? op.vectorBytes : 8);
    default:
      return plain(0);
  }
}

StoreInstruction twoByte(Opcode& op, unsigned group) {
  const uint8_t code = op.code;
  if (code >= 0x90 && code <= 0x9f) return plain(1);
  switch (code) {
    case 0xb0:
    case 0xb1:
      op.readsGeneral = true;
      return updating(StoreUpdate::kCompare, code == 0xb0 ? 1 : op.operandBytes());
    case 0xc0:
    case 0xc1:
      op.readsGeneral = true;
      op.writesGeneral = true;
      return updating(StoreUpdate::kAdd, code == 0xc0 ? 1 : op.operandBytes());
    case 0xa4:
    case 0xa5:
    case 0xac:
    case 0xad:
      op.readsGeneral = true;
      return plain(op.operandBytes());
    case 0xba:
      return plain(group > 4 ? op.operandBytes() : 0);
    case 0xc3:
      op.readsGeneral = true;
      return streamed(op.operandBytes());
    case 0xc7:
      return group == 1 ? compareAndStore(op.wide ? 16 : 8) : plain(0);
    case 0x7e:
      return op.mandatory == kNone ? plain(op.operandBytes()) : vectorMove(op);
    default:
      return vectorMove(op);
  }
}

/** pextr, extractps: 0f 3a 14 to 17. */
StoreInstruction extract(const Opcode& op) {
  static constexpr uint8_t kWidths[] = {1, 2, 4, 4};
  return plain(op.code == 0x16 && op.wide ? 8 : kWidths[op.code - 0x14]);
}

/** vpmov…: each element narrowed; f3 0f 38 10 to 35. */
StoreInstruction narrowed(const Opcode& op) {
  static constexpr uint8_t kRatio[] = {2, 4, 8, 2, 4, 2};
  static constexpr uint8_t kElement[] = {1, 1, 1, 2, 2, 4};
  const unsigned form = op.code & 15;
  if (op.code < 0x10 || op.code > 0x35 || form > 5) return plain(0);
  StoreInstruction store = plain(static_cast<uint8_t>(op.vectorBytes / kRatio[form]));
  store.elementBytes = kElement[form];
  return store;
}

uint8_t elementOf(const Opcode& op) {
  if (op.map == 1 && op.code == 0x7f && op.mandatory == 3) return op.wide ? 2 : 1;
  if (op.map == 1 && (op.code == 0x11 || op.code == 0x29)) return (op.mandatory & 1) != 0 ? 8 : 4;
  return op.wide ? 8 : 4;
}

StoreInstruction vectorMap2(const Opcode& op) {
  const bool evex = op.encoding == Encoding::kEvex;
  if (!evex && (op.code == 0x2e || op.code == 0x2f || op.code == 0x8e)) {
    StoreInstruction store = plain(op.vectorBytes);
    store.kind = StoreKind::kSignMask;
    store.mask = op.vvvv;
    store.elementBytes = op.code == 0x2f || op.wide ? 8 : 4;
    return store;
  }
  if (!evex) return plain(0);
  if (op.code == 0x63 || op.code == 0x8a || op.code == 0x8b) {
    StoreInstruction store = plain(op.vectorBytes);
    store.kind = StoreKind::kCompressed;
    store.elementBytes = op.code == 0x63 ? (op.wide ? 2 : 1) : elementOf(op);
    return store;
  }
  return op.mandatory == kF3 ? narrowed(op) : plain(0);
}

StoreInstruction vectorMap3(const Opcode& op) {
  if (op.code >= 0x14 && op.code <= 0x17) return extract(op);
  if (op.code == 0x19 || op.code == 0x39) return plain(16);
  if (op.encoding == Encoding::kEvex && (op.code == 0x1b || op.code == 0x3b)) return plain(32);
  if (op.code != 0x1d) return plain(0);
  StoreInstruction store = plain(op.vectorBytes / 2);
  store.elementBytes = 2;
  return store;
}

StoreInstruction vector(const Opcode& op) {
  // kmov: a mask register to memory.
  if (op.encoding == Encoding::kVex && op.map == 1 && op.code == 0x91) {
    return plain(op.mandatory == k66 ? (op.wide ? 4 : 1) : op.wide ? 8 : 2);
  }
  StoreInstruction store = op.map == 1 ? vectorMove(op) : op.map == 2 ? vectorMap2(op) : vectorMap3(op);
  if (op.encoding != Encoding::kEvex) return store;
  if (store.elementBytes == 0) store.elementBytes = elementOf(op);
  store.mask = op.opmask;
  if (op.opmask != 0 && store.kind == StoreKind::kPlain) {
    store.kind = StoreKind::kOpmask;
    store.source = StoreSource::kUnknown;
  }
  return store;
}

}  // namespace

StoreInstruction classifyStore(Opcode& op, unsigned group) {
  if (op.encoding != Encoding::kLegacy) return vector(op);
  switch (op.map) {
    case 0:
      return oneByte(op, group);
    case 1:
      return twoByte(op, group);
    case 2:
      // movbe, movdiri
      op.readsGeneral = true;
      if (op.code == 0xf1 && op.mandatory <= k66) return plain(op.operandBytes());
      return op.code == 0xf9 ? streamed(op.operandBytes()) : plain(0);
    default:
      return op.code >= 0x14 && op.code <= 0x17 ? extract(op) : plain(0);
  }
}

}  // namespace faultline
