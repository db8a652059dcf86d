// Builds the steps and the memory of a schedule for a given grouping into stretches. Trusted.
// Internal. Thread-safety: a pure function.
#pragma once

#include "program/schedule.h"
#include "program/stretches.h"

namespace taoism::program {

// Tensors that more than one stretch touches are held in memory, all images of them (in parts of
// the batch these must be aligned there), or wait outside.
enum class Between : uint8_t { held, spilled };

// Activations and steps. Weights' pieces are filled in, all of them resident and without an offset:
// see weight_plan.h.
Schedule build_steps(const Analysis& analysis, const std::vector<Stretch>& stretches,
                     Between between, size_t threads);

}  // namespace taoism::program
