#include "kernels/target.h"
#include "program/program.h"

namespace taoism::program {
namespace {

// A limit far above any real model: it bounds the work of verifying hostile bytes.
constexpr size_t kMaxCount = 1 << 20;

class Verifier {
 public:
  explicit Verifier(const Program& program) : program_(program) {}

  Status run() {
    if (program_.slots.size() > kMaxCount || program_.weights.size() > kMaxCount) {
      return integrity_error("program: a count is out of bounds");
    }
    for (const Weight& weight : program_.weights) {
      if (!is_good(weight.desc))
        return integrity_error("program: a weight's type is out of bounds");
    }
    for (const Slot& slot : program_.slots) {
      if (!is_good(slot.desc)) return integrity_error("program: a slot's type is out of bounds");
    }
    written_.assign(program_.slots.size(), false);
    read_.assign(program_.weights.size(), false);
    for (const Segment& segment : program_.segments) TAOISM_RETURN_IF_ERROR(check_segment(segment));
    for (const bool read : read_) {
      if (!read) return integrity_error("program: no instruction reads a weight");
    }
    return {};
  }

 private:
  static bool is_good(const ir::TensorDesc& desc) {
    return ir::dtype_bytes(desc.dtype) != 0 && desc.shape.is_bounded();
  }

  Status write(SlotId slot) {
    if (slot >= program_.slots.size()) return integrity_error("program: a slot is out of range");
    if (written_[slot]) return integrity_error("program: a slot is written twice");
    written_[slot] = true;
    return {};
  }

  Status check_segment(const Segment& segment) {
    for (const SlotId slot : segment.inputs) TAOISM_RETURN_IF_ERROR(write(slot));
    for (const Instruction& instruction : segment.instructions) {
      TAOISM_RETURN_IF_ERROR(check_instruction(instruction));
    }
    for (const SlotId slot : segment.outputs) {
      if (slot >= program_.slots.size() || !written_[slot]) {
        return integrity_error("program: a segment output was never written");
      }
    }
    return {};
  }

  Status check_operand(const Operand& operand) {
    switch (operand.kind) {
      case Operand::none: return {};
      case Operand::slot:
        if (operand.index >= program_.slots.size() || !written_[operand.index]) {
          return integrity_error("program: an instruction reads what was never written");
        }
        return {};
      case Operand::weight:
        if (operand.index >= program_.weights.size()) {
          return integrity_error("program: a weight is out of range");
        }
        if (read_[operand.index]) return integrity_error("program: a weight is read twice");
        read_[operand.index] = true;
        return {};
    }
    return integrity_error("program: unknown operand kind");
  }

  Status check_instruction(const Instruction& instruction) {
    const ops::OpDef* op = instruction.op;
    if (op == nullptr || op->run == nullptr) return integrity_error("program: unknown operator");
    for (const Operand& operand : instruction.inputs) {
      TAOISM_RETURN_IF_ERROR(check_operand(operand));
    }
    if (instruction.outputs.empty() || instruction.outputs.size() > op->max_outputs) {
      return integrity_error("program: an instruction has a wrong number of outputs");
    }
    for (const SlotId slot : instruction.outputs) TAOISM_RETURN_IF_ERROR(write(slot));

    const InstructionView holder(program_, instruction);
    const ops::NodeView view = holder.view();
    if (!ops::check_types(*op, view).ok()) {
      return integrity_error("program: an instruction contradicts its operator's shape rule");
    }
    if (!ops::is_chosen(*op, instruction.attrs)) {
      return integrity_error("program: an instruction does not say how its weights are packed");
    }
    if (op->applies != nullptr && !op->applies(view)) {
      return unsupported("program: this build has no kernel for weights that are packed so");
    }
    for (size_t i = 0; i < view.inputs.size(); ++i) {
      if (!view.inputs[i].is_weight) continue;
      size_t packed = op->packed_bytes != nullptr ? op->packed_bytes(view, i) : 0;
      if (packed == 0) packed = view.inputs[i].desc.bytes();
      if (program_.weights[instruction.inputs[i].index].packed_bytes != packed) {
        return integrity_error("program: a packed weight has a wrong size");
      }
    }
    return {};
  }

  const Program& program_;
  std::vector<bool> written_;  // by slot
  std::vector<bool> read_;     // by weight
};

}  // namespace

InstructionView::InstructionView(const Program& program, const Instruction& instruction)
    : instruction_(&instruction) {
  inputs_.reserve(instruction.inputs.size());
  for (const Operand& operand : instruction.inputs) {
    switch (operand.kind) {
      case Operand::none: inputs_.emplace_back(); break;
      case Operand::slot:
        inputs_.push_back({program.slots[operand.index].desc, true, false, nullptr});
        break;
      case Operand::weight:
        inputs_.push_back({program.weights[operand.index].desc, true, true, nullptr});
        break;
    }
  }
  outputs_.reserve(instruction.outputs.size());
  for (const SlotId slot : instruction.outputs) outputs_.push_back(program.slots[slot].desc);
}

Status verify(const Program& program) {
  if (program.target != kernels::target_name()) {
    return integrity_error("program: weights are packed for other kernels than this executor's");
  }
  return Verifier(program).run();
}

}  // namespace taoism::program
