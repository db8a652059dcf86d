// Counts how attacks ended. The test binary prints the table when all tests have run.
#pragma once

#include <string>

#include "host.h"

namespace taoism::attack {

// "right answer", or "integrity: ..." with the TEE's text.
std::string outcome_name(const Outcome& outcome);
void tally(const std::string& outcome);
inline void tally(const Outcome& outcome) { tally(outcome_name(outcome)); }

// What TAOISM_ATTACK_MUTATIONS says: how many mutations to try, at least 10,000.
uint64_t wanted_mutations();

}  // namespace taoism::attack
