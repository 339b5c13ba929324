#pragma once

#include <napi.h>
#include <signal.h>

/**
 * Exact tracing of stores to traced mappings (store_ranges.h), by whatever code makes them.
 *
 * The program's view of a traced mapping is not writable, so each store raises SIGSEGV. Under the store lock the
 * instruction is decoded (store_instruction.h), and then either
 *   done for it   a move whose bytes are in the saved registers, an xchg, xadd or cmpxchg is made through the store
 *                 view, and the thread goes on behind the instruction; string instructions are done a line at a time
 *   stepped       else the thread itself executes it, with the trap flag set and the register of its address moved by
 *                 the distance of the views; SIGTRAP comes right behind it, moves the register back, and reads what
 *                 was stored
 * and what was stored is recorded, silent stores too. A page fault of the store view is served while the thread sleeps
 * in the handler or in the stepped instruction. Other threads load from both views what is there; their stores wait.
 */
namespace faultline {

/** A SIGSEGV. Return: true when it was a traced store, which is made or under way: return from the handler. */
bool traceStore(siginfo_t* info, void* context);

/**
 * A signal of the store view, which the program does not know: the address becomes that of its own view. When it ended
 * a stepped store (SIGBUS: past EOF; SIGSEGV: protected) the context becomes that of the program's own instruction.
 * Return: false when the signal has to do with neither.
 */
bool abandonStep(siginfo_t* info, void* context);

napi_value startTracer(napi_env env, napi_callback_info info);
napi_value stopTracer(napi_env env, napi_callback_info info);
napi_value setTracedRange(napi_env env, napi_callback_info info);
napi_value storeBytes(napi_env env, napi_callback_info info);

}  // namespace faultline
