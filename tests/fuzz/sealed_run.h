// Runs any valid program in a TEE, as its owner would: for the fuzzer of sealed programs.
#pragma once

#include <optional>
#include <vector>

#include "program/schedule.h"
#include "program_input.h"

namespace taoism::fuzz {

// The longest encoded program that a run takes.
inline constexpr size_t kMostEncodedBytes = 4096;

// All outputs of a run of all segments in a TEE with `budget` bytes, in which it makes `schedule`;
// weights and inputs by `header`. Any other answer than ok fails a check. Nothing when what lies
// outside the TEE would take more than a few MiB.
std::optional<std::vector<float>> run_sealed(const program::Program& program,
                                             const program::Schedule& schedule, uint64_t budget,
                                             const ProgramHeader& header);

}  // namespace taoism::fuzz
