#pragma once

#include <cstdint>

/** Every form of store the tracer knows, each as one instruction: what its tests run on traced and on plain memory. */
namespace faultline {

struct StoreForm {
  const char* name;
  /** What it stores, from `to` on: "0:8" is 8 bytes at 0, "1:2 5:1" two runs. */
  const char* spans;
  /** What the CPU must have, as __builtin_cpu_supports knows it. */
  const char* needs;
  /** `to` must be a multiple of this. */
  unsigned alignment;
  /** to: memory that is stored to; from: 256 bytes of anything. */
  void (*run)(uint8_t* to, const uint8_t* from);
};

extern const StoreForm kIntegerForms[];
extern const unsigned kIntegerFormCount;
extern const StoreForm kVectorForms[];
extern const unsigned kVectorFormCount;

#define STORE_FORM_(name, spans, needs, alignment, text)                                                            \
  {                                                                                                                 \
    name, spans, needs, alignment, [](uint8_t* to, const uint8_t* from) {                                           \
      asm volatile(text "\n\tcld"                                                                                   \
                   : "+D"(to), "+S"(from)                                                                           \
                   :                                                                                                \
                   : "rax", "rbx", "rcx", "rdx", "r8", "r12", "r13", "xmm0", "xmm1", "xmm2", "st", "memory", "cc"); \
    }                                                                                                               \
  }

}  // namespace faultline
