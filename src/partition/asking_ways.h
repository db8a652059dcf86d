// The ways through the TEE on which a private layer is alone: the host can move what goes this way
// and hold, or switch off, all that joins it. What lies there is one layer of a network with an
// activation at most, and no such layer is private to who may ask.
// Nothing is said of how many queries that takes; asking.h finds the simplest of them exactly.
// Host only. Thread-safety: pure functions.
#pragma once

#include <vector>

#include "ir/segment.h"
#include "partition/asking.h"

namespace taoism::partition {

struct AloneOnAWay {
  // Private parameters by the TEE segment, counted from 0, that shows them; each once.
  std::vector<std::vector<ir::ValueId>> weights;
  // Those that would be alone too if all that joins them were at rest, each once. That is for the
  // host to bring about: a branch of the same input rests where a normalization or a bounded
  // activation follows large values, where a gate is shut, in what a window does not read.
  std::vector<ir::ValueId> if_at_rest;
  // Nodes in the TEE that fail or not by integers that private weights decide: an index, a divisor.
  // Each failure is a bit of them that passes no gate.
  std::vector<ir::NodeId> telling;
};

// A way begins at a value that the host knows and ends at one that it sees, or has from one that it
// sees (the input of an activation, a sum less what is known). Between them it meets private
// layers with nothing but affine operators among them, and whatever it likes before and after,
// private scales and shifts too. Where a way is joined by what depends on private layers behind an
// activation, it goes on if something that the host moves is in the one and not in the other
// (another input, another part of it), or if a known factor or condition switches the other off.
// Linear in the graph's size.
AloneOnAWay weights_alone_on_a_way(const ir::PartitionedGraph& partitioned, const Ends& ends);

}  // namespace taoism::partition
