// Cutting a placed graph into segments. Host only. Thread-safety: pure functions.
#pragma once

#include "ir/segment.h"

namespace taoism::partition {

// Orders the nodes so that execution changes sides as seldom as the graph allows, and lists what
// crosses. Values live on a side once they are there: one that this side made, or was handed in an
// earlier segment, is not an input again. A graph input is an input of the first segment of each
// side that reads it; a graph output is an output of the segment that makes it. `graph` must be
// tidy and fully placed. Errors: unsupported when a graph output is made by no node.
Result<ir::PartitionedGraph> make_segments(ir::Graph graph);

// The TEE's segments counted from 0, by node; 0 for the device's nodes.
struct TeeSegments {
  size_t count = 0;
  std::vector<size_t> of_node;
};
TeeSegments tee_segments(const ir::PartitionedGraph& partitioned);

}  // namespace taoism::partition
