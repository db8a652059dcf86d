#include "program/analysis.h"

#include <algorithm>
#include <unordered_map>

namespace taoism::program {

Analysis::Analysis(const Program& program) : program_(&program) {
  find_batch();
  const size_t slots = program.slots.size();
  per_image_.resize(slots);
  for (SlotId slot = 0; slot < slots; ++slot) {
    const ir::Shape& shape = program.slots[slot].desc.shape;
    per_image_[slot] = batch_ > 1 && shape.rank() != 0 && shape[0] == batch_;
  }
  lives_.resize(slots);
  makers_.assign(slots, UINT32_MAX);
  is_output_.assign(slots, false);
  for (uint32_t s = 0; s < program.segments.size(); ++s) {
    const auto begin = static_cast<uint32_t>(nodes_.size());
    const Segment& segment = program.segments[s];
    for (uint32_t i = 0; i < segment.instructions.size(); ++i) add_node(s, i);
    const auto end = static_cast<uint32_t>(nodes_.size());
    segments_.push_back({begin, end});
    for (const SlotId slot : segment.outputs) {
      is_output_[slot] = true;
      lives_[slot].last = std::max(lives_[slot].last, end);
    }
  }
}

void Analysis::find_batch() {
  std::unordered_map<int64_t, size_t> votes;
  size_t most = 0;
  for (const Slot& slot : program_->slots) {
    if (slot.desc.shape.rank() < 2) continue;
    const size_t count = ++votes[slot.desc.shape[0]];
    if (count > most) {
      most = count;
      batch_ = std::max<int64_t>(slot.desc.shape[0], 1);
    }
  }
}

void Analysis::add_node(uint32_t segment, uint32_t index) {
  const Instruction& instruction = program_->segments[segment].instructions[index];
  const auto id = static_cast<uint32_t>(nodes_.size());
  Node node{&instruction, segment, index, false, false, 0, 0};
  std::vector<SlotId> touched;
  auto touch = [&](SlotId slot) {
    if (std::find(touched.begin(), touched.end(), slot) != touched.end()) return;
    touched.push_back(slot);
    lives_[slot].first = std::min(lives_[slot].first, id);
    lives_[slot].last = std::max(lives_[slot].last, id);
  };
  for (const Operand& operand : instruction.inputs) {
    if (operand.kind == Operand::slot) touch(operand.index);
    if (operand.kind == Operand::weight) {
      node.weight_bytes += program_->weights[operand.index].packed_bytes;
    }
  }
  for (const SlotId slot : instruction.outputs) {
    touch(slot);
    makers_[slot] = id;
  }
  touched_.push_back(std::move(touched));

  const InstructionView holder(*program_, instruction);
  if (instruction.op->row_step != nullptr) node.row_step = instruction.op->row_step(holder.view());
  if (instruction.op->cost != nullptr) node.macs = instruction.op->cost(holder.view()).macs;
  node.splits_batch = batch_ > 1 && ops::splits_batch(*instruction.op, holder.view()) &&
                      std::all_of(touched_[id].begin(), touched_[id].end(),
                                  [&](SlotId s) { return per_image_[s]; });
  nodes_.push_back(node);
  nodes_[id].splits_rows = can_split_rows(id);
}

// Whether two bands would do: what the operator says of any rows it says of these.
bool Analysis::can_split_rows(uint32_t node) const {
  const Instruction& instruction = *nodes_[node].instruction;
  if (instruction.op->split_rows == nullptr || instruction.outputs.size() != 1) return false;
  const InstructionView holder(*program_, instruction);
  const ir::Shape& shape = holder.view().outputs[0].shape;
  if (shape.rank() != 4 || shape[2] < 2) return false;
  std::vector<ops::Rows> in(instruction.inputs.size());
  ir::Attrs attrs = instruction.attrs;
  return instruction.op->split_rows(holder.view(), {0, shape[2] / 2}, in, attrs);
}

ir::TensorDesc Analysis::sized_desc(SlotId slot, int64_t images) const {
  ir::TensorDesc desc = program_->slots[slot].desc;
  if (per_image_[slot]) desc.shape[0] = images;
  return desc;
}

Analysis::Sized Analysis::sized(uint32_t node, int64_t images) const {
  const Instruction& instruction = *nodes_[node].instruction;
  Sized sized;
  for (const Operand& operand : instruction.inputs) {
    if (operand.kind == Operand::slot) {
      sized.inputs.push_back({sized_desc(operand.index, images), true, false, nullptr});
    } else if (operand.kind == Operand::weight) {
      sized.inputs.push_back({program_->weights[operand.index].desc, true, true, nullptr});
    } else {
      sized.inputs.emplace_back();
    }
  }
  for (const SlotId slot : instruction.outputs) sized.outputs.push_back(sized_desc(slot, images));
  return sized;
}

}  // namespace taoism::program
