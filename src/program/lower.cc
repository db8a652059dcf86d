#include "program/lower.h"

#include <algorithm>
#include <unordered_map>

#include "kernels/target.h"
#include "ops/graph_view.h"
#include "program/memory_plan.h"

namespace taoism::program {
namespace {

constexpr uint32_t kUnset = UINT32_MAX;

class Lowering {
 public:
  Lowering(const ir::PartitionedGraph& partition, ir::Placement side, size_t threads)
      : graph_(partition.graph), partition_(partition), side_(side), threads_(threads) {
    slot_of_.assign(graph_.value_count(), kUnset);
  }

  Result<Lowered> run() {
    out_.program.target = kernels::target_name();
    out_.program.threads = static_cast<uint32_t>(threads_);
    for (const ir::Segment& segment : partition_.segments) {
      if (segment.placement != side_) {
        out_.segment_index.push_back(-1);
        continue;
      }
      out_.segment_index.push_back(static_cast<int>(out_.program.segments.size()));
      TAOISM_RETURN_IF_ERROR(lower_segment(segment));
    }
    plan_slots();
    plan_weights();
    return std::move(out_);
  }

 private:
  // A set of slots that share memory: an alias, or an operator that writes over its input.
  struct Group {
    BufferLife life;
  };

  Status lower_segment(const ir::Segment& segment) {
    Segment lowered;
    const uint32_t enter = step_++;
    for (ir::ValueId value : segment.inputs) {
      const SlotId slot = new_slot(value, enter);
      // A value handed in anew replaces any earlier copy.
      lowered.inputs.push_back(slot);
    }
    for (ir::NodeId id : segment.nodes) {
      TAOISM_RETURN_IF_ERROR(lower_node(graph_.node(id), id, lowered));
    }
    const uint32_t leave = step_++;
    for (ir::ValueId value : segment.outputs) {
      const SlotId slot = slot_of_[static_cast<size_t>(value)];
      if (slot == kUnset)
        return internal_error("segment output '" + graph_.value(value).name +
                              "' is not made in it");
      touch(slot, leave);
      lowered.outputs.push_back(slot);
    }
    out_.program.segments.push_back(std::move(lowered));
    return {};
  }

  Status lower_node(const ir::Node& node, ir::NodeId id, Segment& segment) {
    const ops::OpDef* op = ops::find_op(node.op);
    if (op == nullptr || op->run == nullptr) {
      return unsupported(node.op + " '" + node.name + "': no kernel for this operator");
    }
    const ops::GraphNodeView holder(graph_, node);
    const ops::NodeView view = holder.view();
    const uint32_t step = step_++;
    Instruction instruction{op, node.name, node.attrs, {}, {}};
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ir::ValueId value = node.inputs[i];
      if (value == ir::kNoValue) {
        instruction.inputs.push_back({});
      } else if (graph_.value(value).is_constant()) {
        instruction.inputs.push_back({Operand::weight, add_weight(*op, view, id, i, value)});
      } else {
        const SlotId slot = slot_of_[static_cast<size_t>(value)];
        if (slot == kUnset) {
          return internal_error("node '" + node.name + "' reads '" + graph_.value(value).name +
                                "', which never reaches its side");
        }
        touch(slot, step);
        instruction.inputs.push_back({Operand::slot, slot});
      }
    }
    for (size_t o = 0; o < node.outputs.size(); ++o) {
      const ir::ValueId value = node.outputs[o];
      if (o == 0 && op->storage != ops::Storage::fresh && can_share(*op, node, instruction, id)) {
        instruction.outputs.push_back(shared_slot(value, instruction.inputs[0].index, step));
      } else {
        instruction.outputs.push_back(new_slot(value, step));
      }
    }
    if (op->scratch_bytes != nullptr) {
      out_.program.scratch_bytes = std::max<uint64_t>(
          out_.program.scratch_bytes, round_up(op->scratch_bytes(view, threads_), kAlignment));
    }
    segment.instructions.push_back(std::move(instruction));
    return {};
  }

  // An alias may always share; writing over the input needs this node to be the last to read any
  // slot of the input's group on this side.
  bool can_share(const ops::OpDef& op, const ir::Node& node, const Instruction& instruction,
                 ir::NodeId id) {
    if (instruction.inputs.empty() || instruction.inputs[0].kind != Operand::slot) return false;
    if (op.storage == ops::Storage::alias) return true;
    const uint32_t group = group_of_[instruction.inputs[0].index];
    for (size_t i = 1; i < instruction.inputs.size(); ++i) {
      const Operand& other = instruction.inputs[i];
      if (other.kind == Operand::slot && group_of_[other.index] == group) return false;
    }
    if (graph_.value(node.outputs[0]).desc.bytes() != graph_.value(node.inputs[0]).desc.bytes())
      return false;
    for (ir::ValueId member : members_[group]) {
      if (last_reader(member) > position_of(id)) return false;
    }
    return true;
  }

  // Positions number this side's nodes and segment ends in execution order.
  void number_uses() {
    position_.assign(graph_.node_count(), 0);
    last_use_.assign(graph_.value_count(), 0);
    uint32_t next = 1;
    for (const ir::Segment& segment : partition_.segments) {
      if (segment.placement != side_) continue;
      for (ir::NodeId id : segment.nodes) {
        position_[static_cast<size_t>(id)] = next;
        for (ir::ValueId input : graph_.node(id).inputs) {
          if (input != ir::kNoValue) last_use_[static_cast<size_t>(input)] = next;
        }
        ++next;
      }
      for (ir::ValueId output : segment.outputs) last_use_[static_cast<size_t>(output)] = next;
      ++next;
    }
  }
  uint32_t position_of(ir::NodeId id) {
    if (position_.empty()) number_uses();
    return position_[static_cast<size_t>(id)];
  }
  uint32_t last_reader(ir::ValueId value) {
    if (position_.empty()) number_uses();
    return last_use_[static_cast<size_t>(value)];
  }

  SlotId new_slot(ir::ValueId value, uint32_t step) {
    const auto group = static_cast<uint32_t>(groups_.size());
    groups_.push_back({{graph_.value(value).desc.bytes(), step, step}});
    members_.emplace_back();
    return add_slot(value, group, step);
  }
  SlotId shared_slot(ir::ValueId value, SlotId with, uint32_t step) {
    return add_slot(value, group_of_[with], step);
  }
  SlotId add_slot(ir::ValueId value, uint32_t group, uint32_t step) {
    const auto slot = static_cast<SlotId>(out_.program.slots.size());
    out_.program.slots.push_back({graph_.value(value).desc, 0});
    group_of_.push_back(group);
    members_[group].push_back(value);
    slot_of_[static_cast<size_t>(value)] = slot;
    touch(slot, step);
    return slot;
  }
  void touch(SlotId slot, uint32_t step) {
    BufferLife& life = groups_[group_of_[slot]].life;
    life.last = std::max(life.last, step);
  }

  WeightId add_weight(const ops::OpDef& op, const ops::NodeView& view, ir::NodeId node,
                      size_t input, ir::ValueId value) {
    size_t packed = op.packed_bytes != nullptr ? op.packed_bytes(view, input) : 0;
    if (packed == 0) packed = view.inputs[input].desc.bytes();
    out_.program.weights.push_back({view.inputs[input].desc, packed, 0});
    out_.weight_source.push_back({value, node, input});
    return static_cast<WeightId>(out_.program.weights.size() - 1);
  }

  void plan_slots() {
    std::vector<BufferLife> lives;
    lives.reserve(groups_.size());
    for (const Group& group : groups_) lives.push_back(group.life);
    const MemoryPlan plan = plan_memory(lives);
    for (size_t slot = 0; slot < out_.program.slots.size(); ++slot) {
      out_.program.slots[slot].offset = plan.offsets[group_of_[slot]];
    }
    out_.program.activation_bytes = plan.total_bytes;
  }

  void plan_weights() {
    uint64_t offset = 0;
    for (Weight& weight : out_.program.weights) {
      weight.offset = offset;
      offset = round_up(offset + weight.packed_bytes, kAlignment);
    }
    out_.program.weight_bytes = offset;
  }

  const ir::Graph& graph_;
  const ir::PartitionedGraph& partition_;
  const ir::Placement side_;
  const size_t threads_;
  Lowered out_;
  uint32_t step_ = 0;
  std::vector<SlotId> slot_of_;     // by value
  std::vector<uint32_t> group_of_;  // by slot
  std::vector<Group> groups_;
  std::vector<std::vector<ir::ValueId>> members_;  // by group
  std::vector<uint32_t> position_;                 // by node
  std::vector<uint32_t> last_use_;                 // by value
};

}  // namespace

Result<Lowered> lower(const ir::PartitionedGraph& graph, ir::Placement side, size_t threads) {
  return Lowering(graph, side, threads).run();
}

void pack_weight(const ir::Graph& graph, const Lowered& lowered, WeightId w, std::byte* packed) {
  const Lowered::WeightSource& source = lowered.weight_source[w];
  const ir::Node& node = graph.node(source.node);
  const ops::OpDef* op = ops::find_op(node.op);
  const ops::GraphNodeView holder(graph, node);
  const std::byte* raw = graph.value(source.value).constant->data;
  if (op->packed_bytes != nullptr && op->pack != nullptr &&
      op->packed_bytes(holder.view(), source.input) != 0) {
    op->pack(holder.view(), source.input, raw, packed);
  } else {
    std::memcpy(packed, raw, lowered.program.weights[w].packed_bytes);
  }
}

}  // namespace taoism::program
