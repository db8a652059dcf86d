// Lowering: the segments of one side of a partition -> a Program. What there is to choose, kernels
// and how weights are packed for them, is chosen here and written into the instructions. Host only
// (reads constants).
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
  // Where weight w comes from: packing reads graph.value(weight_source[w].value), as `input` of
  // an instruction.
  struct WeightSource {
    ir::ValueId value;
    size_t segment, instruction, input;
  };
  std::vector<WeightSource> weight_source;
};

// A node's attributes with what there is to choose for it.
using Choose = ir::Attrs (*)(const ops::OpDef& op, const ops::NodeView& node);

// Lowers all segments of `graph` that are placed on `side`, in order, into one program whose slots
// live across segments as needed. Errors: unsupported when an operator has no kernel; integrity
// when a node contradicts its operator, as only a graph from a file may.
Result<Lowered> lower(const ir::PartitionedGraph& graph, ir::Placement side,
                      Choose choose = ops::chosen_attrs);

// Writes weight w in packed form to `packed` (program.weights[w].packed_bytes bytes).
void pack_weight(const ir::Graph& graph, const Lowered& lowered, WeightId w, std::byte* packed);

}  // namespace taoism::program
