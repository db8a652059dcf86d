// What `deep` and `shallow` share: a number of blocks counted from one end. Host only.
// Thread-safety: pure functions.
#pragma once

#include "partition/strategy.h"

namespace taoism::partition {

enum class End { first, last };

// The k blocks nearest to `end` in the TEE, the others on the device. Errors: invalid_argument when
// there are fewer than k.
Result<Annotations> shield_blocks(const ir::Graph& graph, const char* strategy, int64_t k, End end);

// k = 0 to the number of blocks.
std::vector<StrategySpec> every_depth(const ir::Graph& graph, const char* strategy);

}  // namespace taoism::partition
