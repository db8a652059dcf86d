// What follows from which weights are streamed: how often each is read, the scratch that the steps
// need then, and the calls in which a kernel gets them. Trusted. Internal.
// Thread-safety: pure functions.
#pragma once

#include "program/schedule.h"
#include "program/stretches.h"

namespace taoism::program {

// How often each weight is read in a run.
std::vector<uint64_t> count_reads(const Analysis& analysis, const std::vector<Stretch>& stretches);

// The scratch memory that the steps need and can use beside the activation area, given which
// weights are streamed.
struct Scratch {
  uint64_t least_bytes = 0, usable_bytes = 0;
};
Scratch scratch_of(const Analysis& analysis, const Schedule& schedule);

// Multiply-adds of a run, each counted by the part of its scratch that the schedule does not give.
double macs_short_of_scratch(const Analysis& analysis, const Schedule& schedule);

// Fills in the calls of streamed weights (of at most `call_bytes`, unless a piece is larger) and
// the order in which the parts need them.
void plan_calls(const Analysis& analysis, uint64_t call_bytes, Schedule& schedule);

}  // namespace taoism::program
