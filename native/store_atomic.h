#pragma once

#include <ucontext.h>

#include "store_instruction.h"

namespace faultline {

/**
 * xchg, xadd and cmpxchg, which are what atomic operations compile to, made for the thread: its registers and flags are
 * as behind the instruction, and what was stored is recorded.
 * Context: store lock held. Return: false when it must be stepped, with nothing changed.
 */
bool storeAtomic(const StoreInstruction& store, mcontext_t& context);

}  // namespace faultline
