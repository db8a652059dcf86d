// The input of the two fuzzers of programs: this header, then an encoded program packed for the
// portable kernels, so that one corpus serves every machine.
#pragma once

#include "program/program.h"

namespace taoism::fuzz {

struct ProgramHeader {
  uint16_t budget_kib = 0;
  uint8_t target = 0;    // of the kernels that run it, modulo their number
  uint8_t flags = 0;     // kForgedWeights
  uint32_t pattern = 0;  // of what weights and inputs hold
};
inline constexpr uint8_t kForgedWeights = 1;  // packed weights hold the pattern, as no packer does
static_assert(sizeof(ProgramHeader) == 8);

// Makes every instruction's outputs and packed weights what its operator says, where it accepts
// the instruction; for the kernels' current target.
void repair(program::Program& program);

// Changes one thing at random, in range but not always valid, and repairs the rest.
void mutate(program::Program& program, unsigned seed);

}  // namespace taoism::fuzz
