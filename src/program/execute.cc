#include "program/execute.h"

namespace taoism::program {

// Everything a RunContext points to, resolved once, so that running touches no container that
// grows.
struct Executor::Bound {
  const ops::OpDef* op;
  const Instruction* instruction;
  std::vector<ops::Input> inputs;
  std::vector<ir::TensorDesc> outputs;
  std::vector<const std::byte*> input_data;
  std::vector<std::byte*> output_data;

  bool is_no_op() const {
    return op->storage == ops::Storage::alias && input_data[0] == output_data[0];
  }
};

Executor::Executor(const Program& program, Arena arena, Parallel& parallel)
    : program_(&program), arena_(arena), parallel_(&parallel) {
  TAOISM_CHECK(arena.weights.size() >= program.weight_bytes);
  TAOISM_CHECK(arena.activations.size() >= program.activation_bytes);
  TAOISM_CHECK(arena.scratch.size() >= program.scratch_bytes);
  TAOISM_CHECK(parallel.threads() <= program.threads);
  for (const Segment& segment : program.segments) {
    std::vector<Bound> steps;
    steps.reserve(segment.instructions.size());
    for (const Instruction& instruction : segment.instructions) {
      Bound bound{instruction.op, &instruction, {}, {}, {}, {}};
      for (const Operand& operand : instruction.inputs) {
        if (operand.kind == Operand::slot) {
          bound.inputs.push_back({program.slots[operand.index].desc, true, false, nullptr});
          bound.input_data.push_back(slot(operand.index).data());
        } else if (operand.kind == Operand::weight) {
          const Weight& weight = program.weights[operand.index];
          bound.inputs.push_back({weight.desc, true, true, nullptr});
          bound.input_data.push_back(arena_.weights.data() + weight.offset);
        } else {
          bound.inputs.emplace_back();
          bound.input_data.push_back(nullptr);
        }
      }
      for (SlotId output : instruction.outputs) {
        bound.outputs.push_back(program.slots[output].desc);
        bound.output_data.push_back(slot(output).data());
      }
      if (!bound.is_no_op()) steps.push_back(std::move(bound));
    }
    segments_.push_back(std::move(steps));
  }
}

Executor::~Executor() = default;
Executor::Executor(Executor&&) noexcept = default;

ByteSpan Executor::slot(SlotId slot) const {
  const Slot& s = program_->slots[slot];
  return arena_.activations.subspan(s.offset, s.desc.bytes());
}

bool Executor::may_run(size_t segment) const {
  return segment < segments_.size() && (segment == 0 || segment == next_);
}

Status Executor::run(size_t segment) {
  if (!may_run(segment)) return policy_error("a segment was asked for out of order");
  for (const Bound& bound : segments_[segment]) {
    const ops::NodeView view{bound.instruction->name, bound.instruction->attrs, bound.inputs,
                             bound.outputs};
    bound.op->run({view, bound.input_data, bound.output_data, arena_.scratch, *parallel_});
  }
  next_ = segment + 1;
  return {};
}

}  // namespace taoism::program
