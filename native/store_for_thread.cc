#include "store_for_thread.h"

#include <algorithm>
#include <cstring>

#include "address_range.h"
#include "signal_guard.h"
#include "store_ranges.h"

namespace faultline {

namespace {

constexpr greg_t kDirectionFlag = 0x400;

/** A program may store anywhere. */
template <typename T>
struct [[gnu::packed]] Unaligned {
  T value;
};

/** One store instruction where the width has one: who loads meanwhile sees all of it or nothing. */
template <typename T>
void storeWhole(uintptr_t address, const uint8_t* bytes) {
  T value;
  memcpy(&value, bytes, sizeof value);
  static_cast<volatile Unaligned<T>*>(storeView(address))->value = value;
}

void storeThroughView(uintptr_t address, const uint8_t* bytes, size_t length) {
  switch (length) {
    case 1:
      return storeWhole<uint8_t>(address, bytes);
    case 2:
      return storeWhole<uint16_t>(address, bytes);
    case 4:
      return storeWhole<uint32_t>(address, bytes);
    case 8:
      return storeWhole<uint64_t>(address, bytes);
    default:
      memcpy(storeView(address), bytes, length);
  }
}

/** Return: false when the bytes are not in the saved registers. */
bool sourceBytes(const StoreInstruction& store, mcontext_t& context, uint8_t out[64]) {
  const auto immediate = static_cast<int64_t>(store.immediate);
  switch (store.source) {
    case StoreSource::kUnknown:
      return false;
    case StoreSource::kGeneral:
      memcpy(out, &generalRegister(context, store.sourceRegister), 8);
      return true;
    case StoreSource::kHighByte:
      out[0] = static_cast<uint8_t>(generalRegister(context, store.sourceRegister) >> 8);
      return true;
    case StoreSource::kImmediate:
      memcpy(out, &immediate, sizeof immediate);
      return true;
    case StoreSource::kVector:
      vectorRegister(context, store.sourceRegister, out);
      return true;
  }
  return false;
}

/** As many units as touch the line of the first one, unit by unit as the CPU would: the ranges may overlap. */
size_t copyUnits(const StoreInstruction& store, uintptr_t from, const uint8_t* value, size_t most, uint8_t out[72]) {
  const uintptr_t lineEnd = (store.address & ~(kLineSize - 1)) + kLineSize;
  const size_t wanted = std::min(most, (lineEnd - store.address + store.width - 1) / store.width);
  volatile size_t done = 0;
  guarded([&] {
    while (done < wanted) {
      const size_t at = done * store.width;
      const void* source = store.kind == StoreKind::kMovs ? reinterpret_cast<const void*>(from + at) : value;
      memcpy(out + at, source, store.width);
      storeThroughView(store.address + at, out + at, store.width);
      done = done + 1;
    }
  });
  return done;
}

}  // namespace

bool storeForThread(const StoreInstruction& store, mcontext_t& context) {
  uint8_t bytes[64];
  if (!sourceBytes(store, context, bytes)) return false;
  if (!guarded([&] { storeThroughView(store.address, bytes, store.width); })) return false;
  recordStore(store.address, bytes, store.width, store.nonTemporal);
  context.gregs[REG_RIP] += store.length;
  return true;
}

bool storeString(StoreInstruction store, mcontext_t& context) {
  if ((context.gregs[REG_EFL] & kDirectionFlag) != 0) return false;
  const auto count = store.repeated ? static_cast<size_t>(context.gregs[REG_RCX]) : 1;
  uint8_t value[8];
  memcpy(value, &context.gregs[REG_RAX], sizeof value);
  auto from = static_cast<uintptr_t>(context.gregs[REG_RSI]);
  size_t done = 0;
  while (done < count) {
    const TracedRange* range = findTraced(store.address);
    if (range == nullptr) break;
    const size_t most = std::min(count - done, (range->end - store.address) / store.width);
    uint8_t bytes[72];
    const size_t units = copyUnits(store, from, value, most, bytes);
    if (units == 0) break;
    recordStore(store.address, bytes, units * store.width, false);
    store.address += units * store.width;
    from += units * store.width;
    done += units;
  }
  if (done == 0) return false;
  context.gregs[REG_RDI] = static_cast<greg_t>(store.address);
  if (store.kind == StoreKind::kMovs) context.gregs[REG_RSI] = static_cast<greg_t>(from);
  if (store.repeated) context.gregs[REG_RCX] -= static_cast<greg_t>(done);
  if (done == count) context.gregs[REG_RIP] += store.length;
  return true;
}

}  // namespace faultline
