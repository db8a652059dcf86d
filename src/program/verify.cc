#include "kernels/target.h"
#include "program/program.h"

namespace taoism::program {
namespace {

// Limits far above any real model: they bound the work of verifying hostile bytes.
constexpr size_t kMaxCount = 1 << 20;
constexpr uint32_t kMaxThreads = 1024;

struct Range {
  uint64_t begin, end;
  bool overlaps(const Range& other) const { return begin < other.end && other.begin < end; }
};

class Verifier {
 public:
  explicit Verifier(const Program& program) : program_(program) {}

  Status run() {
    if (program_.slots.size() > kMaxCount || program_.weights.size() > kMaxCount ||
        program_.threads == 0 || program_.threads > kMaxThreads) {
      return integrity_error("program: a count is out of bounds");
    }
    TAOISM_RETURN_IF_ERROR(check_weights());
    TAOISM_RETURN_IF_ERROR(check_slots());
    valid_.assign(program_.slots.size(), false);
    for (const Segment& segment : program_.segments) TAOISM_RETURN_IF_ERROR(check_segment(segment));
    return {};
  }

 private:
  static bool is_good(const ir::TensorDesc& desc) {
    return ir::dtype_bytes(desc.dtype) != 0 && desc.shape.is_bounded();
  }

  Status check_weights() {
    uint64_t previous_end = 0;
    for (const Weight& weight : program_.weights) {
      const auto end = checked_add(weight.offset, weight.packed_bytes);
      if (!is_good(weight.desc) || weight.offset % kAlignment != 0 ||
          weight.offset < previous_end || !end || *end > program_.weight_bytes) {
        return integrity_error("program: a weight's type, size or offset is out of bounds");
      }
      previous_end = *end;
    }
    return {};
  }

  Status check_slots() {
    for (const Slot& slot : program_.slots) {
      if (!is_good(slot.desc) || slot.offset % kAlignment != 0) {
        return integrity_error("program: a slot's type or offset is out of bounds");
      }
      const auto end = checked_add(slot.offset, slot.desc.bytes());
      if (!end || *end > program_.activation_bytes) {
        return integrity_error("program: a slot reaches beyond the arena");
      }
    }
    return {};
  }

  Range range(SlotId slot) const {
    const Slot& s = program_.slots[slot];
    return {s.offset, s.offset + s.desc.bytes()};
  }

  // Everything that shares memory with `slot` is gone; `slot` itself becomes readable.
  void write(SlotId slot) {
    const Range written = range(slot);
    for (SlotId other = 0; other < valid_.size(); ++other) {
      if (valid_[other] && range(other).overlaps(written)) valid_[other] = false;
    }
    valid_[slot] = true;
  }

  Status check_segment(const Segment& segment) {
    for (SlotId slot : segment.inputs) {
      if (slot >= program_.slots.size())
        return integrity_error("program: a segment input is out of range");
      write(slot);
    }
    for (SlotId slot : segment.inputs) {
      if (!valid_[slot]) return integrity_error("program: segment inputs overlap");
    }
    for (const Instruction& instruction : segment.instructions) {
      TAOISM_RETURN_IF_ERROR(check_instruction(instruction));
    }
    for (SlotId slot : segment.outputs) {
      if (slot >= program_.slots.size() || !valid_[slot]) {
        return integrity_error("program: a segment output was never written");
      }
    }
    return {};
  }

  Status check_instruction(const Instruction& instruction) {
    const ops::OpDef* op = instruction.op;
    if (op == nullptr || op->run == nullptr) return integrity_error("program: unknown operator");
    std::vector<ops::Input> inputs;
    for (const Operand& operand : instruction.inputs) {
      switch (operand.kind) {
        case Operand::none: inputs.emplace_back(); break;
        case Operand::slot:
          if (operand.index >= program_.slots.size() || !valid_[operand.index]) {
            return integrity_error("program: an instruction reads what was never written");
          }
          inputs.push_back({program_.slots[operand.index].desc, true, false, nullptr});
          break;
        case Operand::weight:
          if (operand.index >= program_.weights.size())
            return integrity_error("program: a weight is out of range");
          inputs.push_back({program_.weights[operand.index].desc, true, true, nullptr});
          break;
        default: return integrity_error("program: unknown operand kind");
      }
    }
    if (instruction.outputs.empty() || instruction.outputs.size() > op->max_outputs) {
      return integrity_error("program: an instruction has a wrong number of outputs");
    }
    std::vector<ir::TensorDesc> outputs(instruction.outputs.size());
    ops::NodeView view{instruction.name, instruction.attrs, inputs, {}};
    if (const Status s = ops::check_and_infer(*op, view, outputs); !s.ok()) {
      return integrity_error("program: an instruction contradicts its operator's shape rule");
    }
    view.outputs = outputs;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i].is_weight) continue;
      size_t packed = op->packed_bytes != nullptr ? op->packed_bytes(view, i) : 0;
      if (packed == 0) packed = inputs[i].desc.bytes();
      if (program_.weights[instruction.inputs[i].index].packed_bytes != packed) {
        return integrity_error("program: a packed weight has a wrong size");
      }
    }
    if (op->scratch_bytes != nullptr &&
        op->scratch_bytes(view, program_.threads) > program_.scratch_bytes) {
      return integrity_error("program: an instruction needs more scratch than there is");
    }
    return check_outputs(instruction, *op, outputs);
  }

  Status check_outputs(const Instruction& instruction, const ops::OpDef& op,
                       const std::vector<ir::TensorDesc>& types) {
    for (size_t o = 0; o < instruction.outputs.size(); ++o) {
      const SlotId slot = instruction.outputs[o];
      if (slot >= program_.slots.size() || program_.slots[slot].desc != types[o]) {
        return integrity_error("program: an output's type is not what its operator makes");
      }
      const Range mine = range(slot);
      for (size_t i = 0; i < instruction.inputs.size(); ++i) {
        const Operand& input = instruction.inputs[i];
        if (input.kind != Operand::slot) continue;
        const Range theirs = range(input.index);
        if (!mine.overlaps(theirs)) continue;
        const bool shares_first = o == 0 && i == 0 && op.storage != ops::Storage::fresh &&
                                  mine.begin == theirs.begin && mine.end == theirs.end;
        if (!shares_first) return integrity_error("program: an output overlaps an input");
      }
    }
    for (size_t o = 0; o < instruction.outputs.size(); ++o) {
      const SlotId slot = instruction.outputs[o];
      const Operand first = instruction.inputs.empty() ? Operand{} : instruction.inputs[0];
      const bool aliases = op.storage == ops::Storage::alias && o == 0 &&
                           first.kind == Operand::slot &&
                           range(slot).begin == range(first.index).begin;
      if (aliases) {
        valid_[slot] = true;
      } else {
        write(slot);
      }
    }
    for (SlotId slot : instruction.outputs) {
      if (!valid_[slot]) return integrity_error("program: an instruction's outputs overlap");
    }
    return {};
  }

  const Program& program_;
  std::vector<bool> valid_;  // by slot: written, and not written over since
};

}  // namespace

Status verify(const Program& program) {
  if (program.target != kernels::target_name()) {
    return integrity_error("program: weights are packed for other kernels than this executor's");
  }
  return Verifier(program).run();
}

}  // namespace taoism::program
