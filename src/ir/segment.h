// A segment: a run of nodes with the same placement that executes without leaving its side, and the
// values that cross into and out of it. partition/segments.h makes them; devices compile them.
#pragma once

#include <vector>

#include "ir/graph.h"

namespace taoism::ir {

struct Segment {
  Placement placement = Placement::device;
  std::vector<NodeId> nodes;     // in execution order
  std::vector<ValueId> inputs;   // graph inputs, or values from the other side, that the host hands
                                 // over at this segment
  std::vector<ValueId> outputs;  // values that the other side or the caller needs
};

// A rewritten graph and its segments in the order in which they run.
struct PartitionedGraph {
  Graph graph;
  std::vector<Segment> segments;
};

}  // namespace taoism::ir
