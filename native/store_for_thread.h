#pragma once

#include <ucontext.h>

#include "store_instruction.h"

/** Traced stores that need no single step: made for the thread, which then goes on behind its instruction. */
namespace faultline {

/**
 * A move whose bytes are in the saved registers or in the instruction.
 * Context: store lock held. Return: false when it must be stepped, with nothing changed.
 */
bool storeForThread(const StoreInstruction& store, mcontext_t& context);

/**
 * A string instruction, line by line, as far as its destination is traced; the thread goes on with the rest.
 * Context: store lock held. Return: false when not even one unit could be stored.
 */
bool storeString(StoreInstruction store, mcontext_t& context);

}  // namespace faultline
