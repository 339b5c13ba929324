#include "vector_state.h"

#include <cpuid.h>
#include <ucontext.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "store_instruction.h"

/**
 * Vector and mask registers of a thread in a signal handler: the kernel leaves them on the stack in the CPU's own
 * format (XSAVE, standard layout). A component that is not marked as saved is in its initial state, zero.
 */
namespace faultline {

namespace {

constexpr unsigned kYmmHigh = 2;
constexpr unsigned kMasks = 5;
constexpr unsigned kZmmHigh = 6;
constexpr unsigned kZmm16 = 7;
constexpr unsigned kComponents = 8;

constexpr size_t kXmmOffset = 160;
/** struct _fpx_sw_bytes: tells whether more than the legacy area was saved. */
constexpr size_t kSoftwareOffset = 464;
constexpr uint32_t kExtendedMagic = 0x46505853;
constexpr size_t kSavedOffset = 512;

uint32_t offsets[kComponents];

const uint8_t* component(const mcontext_t& context, unsigned number) {
  const auto* area = reinterpret_cast<const uint8_t*>(context.fpregs);
  uint32_t magic = 0;
  memcpy(&magic, area + kSoftwareOffset, sizeof magic);
  if (magic != kExtendedMagic || offsets[number] == 0) return nullptr;
  uint64_t saved = 0;
  memcpy(&saved, area + kSavedOffset, sizeof saved);
  return ((saved >> number) & 1) != 0 ? area + offsets[number] : nullptr;
}

void copyPart(uint8_t* out, const uint8_t* from, size_t index, size_t bytes) {
  if (from != nullptr) memcpy(out, from + index * bytes, bytes);
}

}  // namespace

void learnVectorLayout() {
  for (unsigned number = kYmmHigh; number < kComponents; number++) {
    unsigned size = 0, offset = 0, flags = 0, unused = 0;
    if (__get_cpuid_count(0xd, number, &size, &offset, &flags, &unused) != 0 && size != 0) offsets[number] = offset;
  }
}

void vectorRegister(const mcontext_t& context, unsigned number, uint8_t out[64]) {
  memset(out, 0, 64);
  if (number >= 16) {
    copyPart(out, component(context, kZmm16), number - 16, 64);
    return;
  }
  copyPart(out, reinterpret_cast<const uint8_t*>(context.fpregs) + kXmmOffset, number, 16);
  copyPart(out + 16, component(context, kYmmHigh), number, 16);
  copyPart(out + 32, component(context, kZmmHigh), number, 32);
}

uint64_t maskRegister(const mcontext_t& context, unsigned number) {
  uint64_t mask = 0;
  copyPart(reinterpret_cast<uint8_t*>(&mask), component(context, kMasks), number, sizeof mask);
  return mask;
}

}  // namespace faultline
