#include "program/execute.h"

#include <algorithm>
#include <cstring>

namespace taoism::program {
namespace {

Status not_authentic() { return integrity_error("what came back from outside is not authentic"); }

}  // namespace

std::string fault_text(const NodeFault& fault) {
  if (fault.instruction == nullptr) return "";
  return std::string(fault.instruction->op->name) + " '" + fault.instruction->name +
         "': " + ops::fault_text(fault.outcome);
}

Executor::Executor(const Program& program, const Schedule& schedule, ByteSpan memory,
                   Parallel& parallel, SealedMemory* sealed)
    : program_(&program),
      schedule_(&schedule),
      weights_(memory.subspan(0, schedule.weight_bytes)),
      activations_(memory.subspan(schedule.weight_bytes + schedule.ring_bytes,
                                  schedule.activation_bytes + schedule.scratch_bytes)),
      sealed_(sealed),
      stream_(schedule, memory.subspan(schedule.weight_bytes, schedule.ring_bytes), sealed,
              parallel) {
  TAOISM_CHECK(parallel.threads() <= schedule.threads);
  is_opened_.assign(program.weights.size(), sealed == nullptr);
  size_t inputs = 0, outputs = 0;
  for (const Segment& segment : program.segments) {
    for (const Instruction& instruction : segment.instructions) {
      inputs = std::max(inputs, instruction.inputs.size());
      outputs = std::max(outputs, instruction.outputs.size());
    }
  }
  input_data_.resize(inputs);
  output_data_.resize(outputs);
}

ByteSpan Executor::weight(WeightId weight) const {
  const WeightPlan& plan = schedule_->weights[weight];
  TAOISM_CHECK(plan.is_resident);
  return weights_.subspan(plan.offset, program_->weights[weight].packed_bytes);
}

bool Executor::may_run(size_t segment) const {
  return segment < program_->segments.size() && (segment == 0 || segment == next_);
}

Status Executor::run(size_t segment, Exchange& exchange) {
  if (!may_run(segment)) return policy_error("a segment was asked for out of order");
  next_ = 0;  // a run that fails half way leaves nothing to go on from
  stream_.start(segment);
  for (const Group& group : schedule_->segments[segment]) {
    uint64_t first_image = 0;
    for (uint32_t part = 0; part < group.full_parts; ++part) {
      TAOISM_RETURN_IF_ERROR(run_part(segment, group.full, first_image, exchange));
      first_image += group.full.images;
    }
    if (group.rest.images != 0) {
      TAOISM_RETURN_IF_ERROR(run_part(segment, group.rest, first_image, exchange));
    }
  }
  next_ = segment + 1;
  return {};
}

Status Executor::run_part(size_t segment, const Part& part, uint64_t first_image,
                          Exchange& exchange) {
  for (const Step& step : part.steps) {
    TAOISM_RETURN_IF_ERROR(run_step(segment, step, first_image, exchange));
  }
  return {};
}

Status Executor::run_step(size_t segment, const Step& step, uint64_t first_image,
                          Exchange& exchange) {
  switch (step.kind) {
    case Step::compute: return compute(segment, step, first_image);
    case Step::rows:
      copy_rows(step.row_copy, at(step, 0, first_image), at(step, 1, first_image));
      return {};
    case Step::spill:
    case Step::fetch: return exchange_spilled(step, first_image);
    case Step::read:
    case Step::write: break;
  }
  const Segment& code = program_->segments[segment];
  const SlotId slot = step.kind == Step::read ? code.inputs[step.index] : code.outputs[step.index];
  // Where this part of the batch begins in the whole tensor; all of it is one part otherwise.
  const uint64_t all = program_->slots[slot].desc.bytes();
  const uint64_t offset =
      step.bytes == all
          ? 0
          : first_image * (all / static_cast<uint64_t>(program_->slots[slot].desc.shape[0]));
  if (step.kind == Step::read) {
    exchange.read(step.index, offset, {at(step, 0, first_image), step.bytes});
  } else {
    exchange.write(step.index, offset, {at(step, 0, first_image), step.bytes});
  }
  return {};
}

void Executor::copy_rows(const RowCopy& copy, const std::byte* from, std::byte* to) {
  from += copy.from_skip_bytes;
  to += copy.to_skip_bytes;
  for (uint64_t plane = 0; plane < copy.planes; ++plane) {
    std::memcpy(to + plane * copy.to_plane_bytes, from + plane * copy.from_plane_bytes, copy.bytes);
  }
}

Status Executor::exchange_spilled(const Step& step, uint64_t first_image) {
  const SpillPlan& plan = schedule_->spills[step.index];
  std::byte* memory = at(step, 0, first_image);
  const uint64_t images = plan.image_bytes == 0 ? 0 : step.bytes / plan.image_bytes;
  const uint64_t image = plan.images == 1 ? 0 : first_image;
  std::atomic<bool> is_good = true;
  parallel_for(stream_, images * plan.chunks_per_image, [&](size_t i, size_t thread) {
    const uint64_t begin = i % plan.chunks_per_image * kPieceBytes;
    const uint64_t bytes = std::min<uint64_t>(kPieceBytes, plan.image_bytes - begin);
    const uint64_t chunk = plan.first_chunk + image * plan.chunks_per_image + i;
    const ByteSpan part(memory + i / plan.chunks_per_image * plan.image_bytes + begin, bytes);
    const bool ok = step.kind == Step::spill ? sealed_->spill(chunk, part, thread)
                                             : sealed_->fetch(chunk, part, thread);
    if (!ok) is_good.store(false, std::memory_order_relaxed);
  });
  return is_good ? Status() : not_authentic();
}

Status Executor::compute(size_t segment, const Step& step, uint64_t first_image) {
  const Instruction& instruction = program_->segments[segment].instructions[step.index];
  const ops::OpDef& op = *instruction.op;
  size_t streamed_input = SIZE_MAX;
  for (size_t i = 0; i < instruction.inputs.size(); ++i) {
    const Operand& operand = instruction.inputs[i];
    input_data_[i] = nullptr;
    if (operand.kind == Operand::slot) input_data_[i] = at(step, i, first_image);
    if (operand.kind != Operand::weight) continue;
    if (!schedule_->weights[operand.index].is_resident) {
      streamed_input = i;
      continue;
    }
    const ByteSpan memory = weight(operand.index);
    if (!is_opened_[operand.index]) {
      if (!stream_.open_resident(operand.index, memory)) return not_authentic();
      is_opened_[operand.index] = true;
    }
    input_data_[i] = memory.data();
  }
  for (size_t o = 0; o < instruction.outputs.size(); ++o) {
    output_data_[o] = at(step, instruction.inputs.size() + o, first_image);
  }
  if (op.storage == ops::Storage::alias && input_data_[0] == output_data_[0]) return {};
  const ops::NodeView view{instruction.name, step.attrs, step.inputs, step.outputs};
  const ops::RunContext context{view,
                                {input_data_.data(), instruction.inputs.size()},
                                {output_data_.data(), instruction.outputs.size()},
                                activations_.subspan(step.scratch_offset),
                                stream_};
  if (streamed_input != SIZE_MAX) return compute_streamed(context, instruction, streamed_input);
  return check(instruction, op.run(context));
}

// Does not allocate: the request ends, and a TEE goes on.
Status Executor::check(const Instruction& instruction, const ops::Outcome& outcome) {
  if (outcome.ok()) return {};
  fault_ = {&instruction, outcome};
  return invalid_argument("");
}

Status Executor::compute_streamed(const ops::RunContext& context, const Instruction& instruction,
                                  size_t input) {
  const ops::OpDef& op = *instruction.op;
  const WeightPlan& plan = schedule_->weights[instruction.inputs[input].index];
  for (const Call& call : plan.calls) {
    input_data_[input] = stream_.acquire();
    if (input_data_[input] == nullptr) return not_authentic();
    const ops::Outcome outcome = op.run_part != nullptr
                                     ? op.run_part(context, input, plan.begin_of(call.first_piece),
                                                   plan.ends[call.last_piece - 1])
                                     : op.run(context);
    stream_.release();
    TAOISM_RETURN_IF_ERROR(check(instruction, outcome));
  }
  return {};
}

}  // namespace taoism::program
