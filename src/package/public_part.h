// What of a partition a host may know: the device's nodes and weights, and of the TEE's segments
// only what crosses into and out of them. Host only. Thread-safety: a pure function.
#pragma once

#include "ir/segment.h"

namespace taoism::package {

// The operator of the node that stands for all of a TEE segment.
inline constexpr const char* kSealedOp = "taoism.Sealed";

// Every TEE segment of `graph` becomes one kSealedOp node; no constant that only the TEE reads, and
// no name of anything that stays inside, is left.
ir::PartitionedGraph public_part(const ir::PartitionedGraph& graph);

}  // namespace taoism::package
