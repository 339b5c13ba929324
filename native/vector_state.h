#pragma once

namespace faultline {

/** Ask the CPU once where its saved state has what: cpuid takes microseconds under a hypervisor. */
void learnVectorLayout();

}  // namespace faultline
