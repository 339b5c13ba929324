#include "store_instruction.h"

#include "store_opcode.h"

namespace faultline {

namespace {

constexpr int kGregs[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                            REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

constexpr int kRsp = 4;
constexpr int kRdi = 7;

class Decoder {
 public:
  explicit Decoder(const mcontext_t& context)
      : context_(context), start_(reinterpret_cast<const uint8_t*>(context.gregs[REG_RIP])), at_(start_) {}

  StoreInstruction run() {
    if (!prefixes()) return {};
    opcode();
    return op_.isString() ? string() : memory();
  }

 private:
  template <typename T>
  T take() {
    T value;
    __builtin_memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }

  /** Return: false for a segment or 32-bit addresses: emulated memory is never reached by those. */
  bool prefixes() {
    for (;; at_++) {
      switch (*at_) {
        case 0x66:
          op_.operand16 = true;
          break;
        case 0xf2:
          op_.repne = true;
          break;
        case 0xf3:
          op_.rep = true;
          break;
        case 0xf0:  // lock
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
          break;
        case 0x64:
        case 0x65:
        case 0x67:
          return false;
        default:
          return true;
      }
    }
  }

  void opcode() {
    op_.mandatory = op_.repne ? 3 : op_.rep ? 2 : op_.operand16 ? 1 : 0;
    if ((*at_ & 0xf0) == 0x40) rex(take<uint8_t>());
    const uint8_t first = take<uint8_t>();
    if (first == 0xc5) {
      vex2();
    } else if (first == 0xc4) {
      vex3();
    } else if (first == 0x62) {
      evex();
    } else if (first == 0x0f) {
      legacyMap();
    } else {
      op_.code = first;
      return;
    }
    op_.code = take<uint8_t>();
  }

  void rex(uint8_t bits) {
    op_.hasRex = true;
    op_.wide = (bits & 8) != 0;
    r_ = (bits & 4) != 0 ? 8 : 0;
    x_ = (bits & 2) != 0 ? 8 : 0;
    b_ = (bits & 1) != 0 ? 8 : 0;
  }

  void legacyMap() {
    op_.map = *at_ == 0x38 ? 2 : *at_ == 0x3a ? 3 : 1;
    if (op_.map != 1) at_++;
  }

  void vexTail(uint8_t bits) {
    op_.encoding = Encoding::kVex;
    op_.mandatory = bits & 3;
    op_.vectorBytes = (bits & 4) != 0 ? 32 : 16;
    op_.vvvv = (~bits >> 3) & 15;
  }

  void vex2() {
    const uint8_t bits = take<uint8_t>();
    op_.map = 1;
    r_ = (bits & 0x80) != 0 ? 0 : 8;
    vexTail(bits);
  }

  void extensions(uint8_t bits) {
    r_ = (bits & 0x80) != 0 ? 0 : 8;
    x_ = (bits & 0x40) != 0 ? 0 : 8;
    b_ = (bits & 0x20) != 0 ? 0 : 8;
  }

  void vex3() {
    const uint8_t first = take<uint8_t>();
    extensions(first);
    op_.map = first & 31;
    const uint8_t second = take<uint8_t>();
    op_.wide = (second & 0x80) != 0;
    vexTail(second);
  }

  void evex() {
    const uint8_t first = take<uint8_t>();
    extensions(first);
    if ((first & 0x10) == 0) r_ += 16;
    op_.map = first & 7;
    const uint8_t second = take<uint8_t>();
    op_.encoding = Encoding::kEvex;
    op_.wide = (second & 0x80) != 0;
    op_.mandatory = second & 3;
    const uint8_t third = take<uint8_t>();
    op_.vectorBytes = static_cast<uint8_t>(16 << ((third >> 5) & 3));
    op_.opmask = third & 7;
  }

  StoreInstruction string() {
    StoreInstruction store;
    store.kind = op_.code >= 0xaa ? StoreKind::kStos : StoreKind::kMovs;
    store.width = (op_.code & 1) != 0 ? op_.operandBytes() : 1;
    store.repeated = op_.rep || op_.repne;
    store.length = static_cast<uint8_t>(at_ - start_);
    store.address = value(kRdi);
    store.addressRegister = kRdi;
    return store;
  }

  uintptr_t value(int number) const { return static_cast<uintptr_t>(context_.gregs[kGregs[number]]); }

  StoreInstruction memory() {
    const uint8_t modrm = take<uint8_t>();
    const int mode = modrm >> 6;
    if (mode == 3) return {};
    StoreInstruction store = classifyStore(op_, (modrm >> 3) & 7);
    if (store.width == 0) return {};
    store.sourceRegister = static_cast<uint8_t>(((modrm >> 3) & 7) + r_);
    if (!address(store, mode, modrm & 7)) return {};
    finishSource(store);
    return store;
  }

  /** Return: false for an address relative to the instruction. */
  bool address(StoreInstruction& store, int mode, int rm) {
    int base = rm + b_;
    int index = -1;
    int shift = 0;
    if (rm == 4) {
      const uint8_t sib = take<uint8_t>();
      shift = sib >> 6;
      index = ((sib >> 3) & 7) + x_;
      if (index == kRsp) index = -1;
      base = (sib & 7) + b_;
      if ((sib & 7) == 5 && mode == 0) base = -1;
    } else if (rm == 5 && mode == 0) {
      return false;
    }
    int64_t displacement = 0;
    if (mode == 1) {
      displacement = take<int8_t>();
      if (op_.encoding == Encoding::kEvex) {
        displacement *= store.kind == StoreKind::kCompressed ? store.elementBytes : store.width;
      }
    } else if (mode == 2 || base < 0) {
      displacement = take<int32_t>();
    }
    store.address =
        static_cast<uintptr_t>(displacement) + (base < 0 ? 0 : value(base)) + (index < 0 ? 0 : value(index) << shift);
    if (base >= 0 && base != index && !isOperand(store, base)) {
      store.addressRegister = static_cast<int8_t>(base);
    } else if (index >= 0 && base != index && !isOperand(store, index)) {
      store.addressRegister = static_cast<int8_t>(index);
      store.scale = static_cast<uint8_t>(1 << shift);
    }
    return true;
  }

  /**
   * Does the instruction use the register for more than the address? What is added to it is far above bit 31, so an
   * operand of 32 bits does not see it.
   */
  bool isOperand(const StoreInstruction& store, int number) const {
    if (store.kind == StoreKind::kIfEqual && (number == 0 || (op_.code == 0xc7 && number <= 3))) return true;
    if (!op_.readsGeneral || store.sourceRegister != number) return false;
    return store.width >= 8 || op_.writesGeneral;
  }

  void finishSource(StoreInstruction& store) {
    const bool highByte = op_.readsGeneral && store.width == 1 && !op_.hasRex && store.sourceRegister >= 4;
    if (highByte) store.update = StoreUpdate::kNone;
    if (store.source == StoreSource::kGeneral && highByte) {
      store.source = StoreSource::kHighByte;
      store.sourceRegister -= 4;
    } else if (store.source == StoreSource::kImmediate) {
      store.immediate = store.width == 1 ? take<int8_t>() : store.width == 2 ? take<int16_t>() : take<int32_t>();
    }
    store.length = static_cast<uint8_t>(at_ - start_);
  }

  const mcontext_t& context_;
  const uint8_t* start_;
  const uint8_t* at_;
  Opcode op_;
  int r_ = 0;
  int x_ = 0;
  int b_ = 0;
};

}  // namespace

StoreInstruction decodeStore(const mcontext_t& context) {
  return Decoder(context).run();
}

greg_t& generalRegister(mcontext_t& context, unsigned number) {
  return context.gregs[kGregs[number]];
}

}  // namespace faultline
