// Lowering: the segments of one side of a partition -> a Program. Host only (reads constants).
#pragma once

#include <functional>

#include "ir/segment.h"
#include "program/program.h"

namespace taoism::program {

struct Lowered {
  Program program;
  // program_segment[i] = index in program.segments of partition segment i, or -1 for the other
  // side's.
  std::vector<int> segment_index;
  // Where weight w comes from: packing reads graph.value(weight_source[w].value).
  struct WeightSource {
    ir::ValueId value;
    ir::NodeId node;  // the node whose operator packs it
    size_t input;
  };
  std::vector<WeightSource> weight_source;
};

// Lowers all segments of `graph` that are placed on `side`, in order, into one program whose slots
// live across segments as needed. Errors: unsupported when an operator has no kernel; integrity
// when a node contradicts its operator, as only a graph from a file may.
Result<Lowered> lower(const ir::PartitionedGraph& graph, ir::Placement side);

// Writes weight w in packed form to `packed` (program.weights[w].packed_bytes bytes).
void pack_weight(const ir::Graph& graph, const Lowered& lowered, WeightId w, std::byte* packed);

}  // namespace taoism::program
