// Builds the steps and the memory of a schedule for a given grouping into stretches. Trusted.
// Internal. Thread-safety: a pure function.
#pragma once

#include "program/schedule.h"
#include "program/stretches.h"

namespace taoism::program {

// Tensors that more than one stretch touches are held in memory (every stretch has the whole batch
// then), or wait outside.
enum class Between : uint8_t { held, spilled };

// Everything but where weights lie: activations and steps. Weights' pieces are filled in, all of
// them resident and without an offset.
Schedule build_steps(const Analysis& analysis, const std::vector<Stretch>& stretches,
                     Between between, size_t threads);

// How often each weight is read in a run.
std::vector<uint64_t> count_reads(const Analysis& analysis, const std::vector<Stretch>& stretches);

// The scratch memory that the steps need, given which weights are streamed.
uint64_t scratch_bytes(const Analysis& analysis, const Schedule& schedule);

// Fills in the calls of streamed weights (of at most `call_bytes`, unless a piece is larger) and
// the order in which the parts need them.
void plan_calls(const Analysis& analysis, uint64_t call_bytes, Schedule& schedule);

}  // namespace taoism::program
