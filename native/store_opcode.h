#pragma once

#include <cstdint>

#include "store_instruction.h"

namespace faultline {

enum class Encoding : uint8_t { kLegacy, kVex, kEvex };

/** An opcode with everything around it that decides what it does. */
struct Opcode {
  Encoding encoding = Encoding::kLegacy;
  /** 0: one-byte opcodes, 1: 0f, 2: 0f 38, 3: 0f 3a. */
  uint8_t map = 0;
  uint8_t code = 0;
  /** The prefix that is part of the opcode: 0 none, 1: 66, 2: f3, 3: f2. */
  uint8_t mandatory = 0;
  bool operand16 = false;
  bool rep = false;
  bool repne = false;
  bool hasRex = false;
  bool wide = false;
  uint8_t vectorBytes = 16;
  uint8_t vvvv = 0;
  /** EVEX: mask register; 0: no mask. */
  uint8_t opmask = 0;
  /** Set by classifyStore: the register in the instruction is a general one that is read; that is written too. */
  bool readsGeneral = false;
  bool writesGeneral = false;

  uint8_t operandBytes() const { return wide ? 8 : operand16 ? 2 : 4; }
  bool isString() const {
    return encoding == Encoding::kLegacy && map == 0 && (code == 0xa4 || code == 0xa5 || code == 0xaa || code == 0xab);
  }
};

/**
 * What the opcode stores. group: the three register bits of the ModRM byte, which belong to the opcode of some.
 * Return: width 0 when it stores nothing, or is not known.
 */
StoreInstruction classifyStore(Opcode& op, unsigned group);

}  // namespace faultline
