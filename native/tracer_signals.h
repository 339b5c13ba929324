#pragma once

#include <cstdint>

/** The process's side of the tracer: its SIGTRAP handler, and what it says when it can do no more. */
namespace faultline {

/** Someone may have put a handler of its own in front since: then ours goes in front of that. Async-signal-safe. */
void keepTrapHandler();

/** A SIGTRAP. Return: false when this thread steps no store. */
bool finishStep(void* context);

/** One line to stderr; the process is about to die of the store. */
void reportUnknownStore(const uint8_t* instruction);

}  // namespace faultline
