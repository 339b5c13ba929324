#pragma once

#include "fault_record.h"

/** Reading faults, for the calls that do. Nothing here throws or allocates. */
namespace faultline {

inline constexpr double kSpinUsMax = 1000;
inline constexpr int kFaultsStopped = -1;

/** Spin, then sleep, until there are faults. Return: how many; 0: time-out; kFaultsStopped; or -errno - 1. */
int waitAndRead(int uffd, int stopEvent, const FaultRecords& records, double spinUs, double timeoutMs);

/**
 * What is there now, without waiting. Return: how many; an error is the next read's. The batch before it ended when
 * this one came: both times are now.
 */
int readAhead(int uffd, const FaultRecords& records);

}  // namespace faultline
