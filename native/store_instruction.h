#pragma once

#include <ucontext.h>

#include <cstddef>
#include <cstdint>

/** What a store instruction is about to do: where, how many bytes, by which register it is addressed. */
namespace faultline {

enum class StoreKind : uint8_t {
  /** All `width` bytes. */
  kPlain,
  /** cmpxchg: all of them when ZF is set afterwards, else none. */
  kIfEqual,
  /** stos, movs: `width` bytes at rdi, which moves on; with `repeated` rcx times. */
  kStos,
  kMovs,
  /** EVEX with a mask: element i when bit i of mask register `mask` is set. */
  kOpmask,
  /** vcompress: as many elements as the mask has bits, side by side. */
  kCompressed,
  /** vmaskmov: element i when its sign bit is set in vector register `mask`. */
  kSignMask,
};

/** Where the bytes come from, if storing them for the instruction needs no more than copying them. */
enum class StoreSource : uint8_t { kUnknown, kGeneral, kHighByte, kImmediate, kVector };

/** xchg, xadd, cmpxchg of a general register and memory. */
enum class StoreUpdate : uint8_t { kNone, kExchange, kAdd, kCompare };

struct StoreInstruction {
  uintptr_t address = 0;
  /** Bytes it can store at `address`; 0: not a store that is known here. */
  uint8_t width = 0;
  /** Of the instruction; where `source` or `update` is known, and of string instructions. */
  uint8_t length = 0;
  StoreKind kind = StoreKind::kPlain;
  bool nonTemporal = false;
  bool repeated = false;
  uint8_t elementBytes = 0;
  uint8_t mask = 0;
  StoreSource source = StoreSource::kUnknown;
  StoreUpdate update = StoreUpdate::kNone;
  uint8_t sourceRegister = 0;
  int32_t immediate = 0;
  /**
   * A register of the address, by its number, that is no other operand: adding to it moves the store and does nothing
   * else. -1: there is none. The register counts `scale` bytes.
   */
  int8_t addressRegister = -1;
  uint8_t scale = 1;
};

/**
 * Decode the instruction a thread is at. Covers what compilers, V8 and libc store with: integer instructions, locked
 * ones, string instructions, x87, SSE, AVX and AVX-512. Not covered, and so of width 0: scatter, maskmovdqu, movdir64b,
 * bit strings, xsave, addresses by segment or relative to the instruction.
 */
StoreInstruction decodeStore(const mcontext_t& context);

/** General register by its number in instructions, rax 0 to r15. */
greg_t& generalRegister(mcontext_t& context, unsigned number);

/** All 64 bytes of a vector register as the thread has it; what it never used is zero. */
void vectorRegister(const mcontext_t& context, unsigned number, uint8_t out[64]);
uint64_t maskRegister(const mcontext_t& context, unsigned number);

}  // namespace faultline
