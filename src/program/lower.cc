#include "program/lower.h"

#include <cstring>

#include "kernels/target.h"
#include "ops/graph_view.h"

namespace taoism::program {
namespace {

constexpr uint32_t kUnset = UINT32_MAX;

class Lowering {
 public:
  Lowering(const ir::PartitionedGraph& partition, ir::Placement side, Choose choose)
      : graph_(partition.graph), partition_(partition), side_(side), choose_(choose) {
    slot_of_.assign(graph_.value_count(), kUnset);
  }

  Result<Lowered> run() {
    out_.program.target = kernels::target_name();
    for (const ir::Segment& segment : partition_.segments) {
      if (segment.placement != side_) {
        out_.segment_index.push_back(-1);
        continue;
      }
      out_.segment_index.push_back(static_cast<int>(out_.program.segments.size()));
      TAOISM_RETURN_IF_ERROR(lower_segment(segment));
    }
    return std::move(out_);
  }

 private:
  Status lower_segment(const ir::Segment& segment) {
    Segment lowered;
    // A value that is handed in anew replaces any earlier copy.
    for (const ir::ValueId value : segment.inputs) lowered.inputs.push_back(new_slot(value));
    for (const ir::NodeId id : segment.nodes) {
      TAOISM_RETURN_IF_ERROR(lower_node(graph_.node(id), lowered));
    }
    for (const ir::ValueId value : segment.outputs) {
      const SlotId slot = slot_of_[static_cast<size_t>(value)];
      if (slot == kUnset) {
        return internal_error("segment output '" + graph_.value(value).name +
                              "' is not made in it");
      }
      lowered.outputs.push_back(slot);
    }
    out_.program.segments.push_back(std::move(lowered));
    return {};
  }

  Status lower_node(const ir::Node& node, Segment& segment) {
    const ops::OpDef* op = ops::find_op(node.op);
    if (op == nullptr || op->run == nullptr) {
      return unsupported(node.op + " '" + node.name + "': no kernel for this operator");
    }
    const ops::GraphNodeView holder(graph_, node);
    // A graph may come from a file that nobody has checked, and packing relies on what it says.
    if (!ops::check_types(*op, holder.view()).ok()) {
      return integrity_error("node '" + node.name + "' contradicts its operator's shape rule");
    }
    Instruction instruction{op, node.name, choose_(*op, holder.view()), {}, {}};
    const ops::NodeView view{node.name, instruction.attrs, holder.view().inputs,
                             holder.view().outputs};
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ir::ValueId value = node.inputs[i];
      if (value == ir::kNoValue) {
        instruction.inputs.push_back({});
      } else if (graph_.value(value).is_constant()) {
        instruction.inputs.push_back(
            {Operand::weight, add_weight(*op, view, segment.instructions.size(), i, value)});
      } else {
        const SlotId slot = slot_of_[static_cast<size_t>(value)];
        if (slot == kUnset) {
          return internal_error("node '" + node.name + "' reads '" + graph_.value(value).name +
                                "', which never reaches its side");
        }
        instruction.inputs.push_back({Operand::slot, slot});
      }
    }
    for (const ir::ValueId value : node.outputs) instruction.outputs.push_back(new_slot(value));
    segment.instructions.push_back(std::move(instruction));
    return {};
  }

  SlotId new_slot(ir::ValueId value) {
    const auto slot = static_cast<SlotId>(out_.program.slots.size());
    out_.program.slots.push_back({graph_.value(value).desc});
    slot_of_[static_cast<size_t>(value)] = slot;
    return slot;
  }

  WeightId add_weight(const ops::OpDef& op, const ops::NodeView& view, size_t instruction,
                      size_t input, ir::ValueId value) {
    size_t packed = op.packed_bytes != nullptr ? op.packed_bytes(view, input) : 0;
    if (packed == 0) packed = view.inputs[input].desc.bytes();
    out_.program.weights.push_back({view.inputs[input].desc, packed});
    out_.weight_source.push_back({value, out_.program.segments.size(), instruction, input});
    return static_cast<WeightId>(out_.program.weights.size() - 1);
  }

  const ir::Graph& graph_;
  const ir::PartitionedGraph& partition_;
  const ir::Placement side_;
  const Choose choose_;
  Lowered out_;
  std::vector<SlotId> slot_of_;  // by value: the latest
};

}  // namespace

Result<Lowered> lower(const ir::PartitionedGraph& graph, ir::Placement side, Choose choose) {
  return Lowering(graph, side, choose).run();
}

void pack_weight(const ir::Graph& graph, const Lowered& lowered, WeightId w, std::byte* packed) {
  const Lowered::WeightSource& source = lowered.weight_source[w];
  const Instruction& instruction =
      lowered.program.segments[source.segment].instructions[source.instruction];
  const ops::OpDef* op = instruction.op;
  const InstructionView holder(lowered.program, instruction);
  const std::byte* raw = graph.value(source.value).constant->data;
  if (op->packed_bytes != nullptr && op->pack != nullptr &&
      op->packed_bytes(holder.view(), source.input) != 0) {
    op->pack(holder.view(), source.input, raw, packed);
  } else {
    std::memcpy(packed, raw, lowered.program.weights[w].packed_bytes);
  }
}

}  // namespace taoism::program
