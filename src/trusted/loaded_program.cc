#include "trusted/loaded_program.h"

#include <algorithm>

namespace taoism::trusted {
namespace {

// The three areas, one after the other; only the last may have a size that is no multiple.
program::Arena areas(const program::Program& program, ByteSpan memory) {
  const size_t weights = round_up(program.weight_bytes, kAlignment);
  const size_t activations = round_up(program.activation_bytes, kAlignment);
  return {memory.subspan(0, program.weight_bytes),
          memory.subspan(weights, program.activation_bytes),
          memory.subspan(weights + activations, program.scratch_bytes)};
}

}  // namespace

using wire::Text;

uint64_t LoadedProgram::memory_bytes(const program::Program& program) {
  return round_up(program.weight_bytes, kAlignment) +
         round_up(program.activation_bytes, kAlignment) + program.scratch_bytes;
}

LoadedProgram::LoadedProgram(const wire::ProgramId& id, program::Program program, ByteSpan memory,
                             Parallel& parallel)
    : id_(id),
      program_(std::move(program)),
      memory_(memory),
      executor_(program_, areas(program_, memory), parallel) {
  skip_empty_weights();
}

void LoadedProgram::skip_empty_weights() {
  while (next_weight_ < program_.weights.size() &&
         next_offset_ == program_.weights[next_weight_].packed_bytes) {
    ++next_weight_;
    next_offset_ = 0;
  }
}

Answer LoadedProgram::expect_weights(const wire::LoadWeights& message, uint64_t bytes,
                                     ByteSpan& destination) {
  if (next_weight_ == program_.weights.size()) return integrity(Text::weights_complete);
  if (message.weight != next_weight_ || message.offset != next_offset_ || bytes == 0) {
    return integrity(Text::weights_out_of_order);
  }
  const program::Weight& weight = program_.weights[next_weight_];
  if (bytes > weight.packed_bytes - next_offset_) return integrity(Text::weights_overrun);
  destination = memory_.subspan(weight.offset + next_offset_, bytes);
  return {};
}

void LoadedProgram::accept_weights(uint64_t bytes) {
  next_offset_ += bytes;
  skip_empty_weights();
}

Answer LoadedProgram::check_segment(uint32_t segment) const {
  if (segment >= program_.segments.size()) return policy(Text::segment_unknown);
  if (next_weight_ != program_.weights.size()) return policy(Text::weights_missing);
  if (!executor_.may_run(segment)) return policy(Text::segment_out_of_order);
  return {};
}

size_t LoadedProgram::slot_count(uint32_t segment) const {
  return program_.segments[segment].inputs.size() + program_.segments[segment].outputs.size();
}

size_t LoadedProgram::slot_bytes(uint32_t segment, size_t slot) const {
  const program::Segment& s = program_.segments[segment];
  const program::SlotId id =
      slot < s.inputs.size() ? s.inputs[slot] : s.outputs[slot - s.inputs.size()];
  return program_.slots[id].desc.bytes();
}

ByteSpan LoadedProgram::input(uint32_t segment, size_t input) {
  return executor_.slot(program_.segments[segment].inputs[input]).first(slot_bytes(segment, input));
}

Answer LoadedProgram::run(uint32_t segment) {
  if (!executor_.run(segment).ok()) return policy(Text::segment_out_of_order);
  last_segment_ = segment;
  return {};
}

OutputToken LoadedProgram::output(uint32_t segment, size_t output) const {
  TAOISM_CHECK(segment == last_segment_);
  return OutputToken(executor_.slot(program_.segments[segment].outputs[output])
                         .first(slot_bytes(segment, input_count(segment) + output)));
}

size_t LoadedProgram::max_slot_count() const {
  size_t most = 0;
  for (uint32_t s = 0; s < program_.segments.size(); ++s) most = std::max(most, slot_count(s));
  return most;
}

}  // namespace taoism::trusted
