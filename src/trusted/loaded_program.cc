#include "trusted/loaded_program.h"

#include <algorithm>

#include "trusted/platform.h"
#include "trusted/stopwatch.h"

namespace taoism::trusted {

using wire::Text;

bool LoadedProgram::TimedStore::open_weight(program::WeightId weight, uint32_t piece, ByteSpan to,
                                            size_t thread) {
  const Stopwatch time(spent_[thread].ns);
  return store_->open_weight(weight, piece, to, thread);
}

bool LoadedProgram::TimedStore::spill(uint64_t chunk, ConstByteSpan from, size_t thread) {
  const Stopwatch time(spent_[thread].ns);
  return store_->spill(chunk, from, thread);
}

bool LoadedProgram::TimedStore::fetch(uint64_t chunk, ByteSpan to, size_t thread) {
  const Stopwatch time(spent_[thread].ns);
  return store_->fetch(chunk, to, thread);
}

uint64_t LoadedProgram::TimedStore::take_mean_ns() {
  uint64_t total = 0;
  for (Spent& spent : spent_) {
    total += spent.ns;
    spent.ns = 0;
  }
  return total / spent_.size();
}

LoadedProgram::LoadedProgram(const wire::ProgramId& id, program::Program program,
                             program::Schedule schedule, std::unique_ptr<store::SealedStore> store,
                             const Outside& outside, ByteSpan memory, Parallel& parallel)
    : id_(id),
      program_(std::move(program)),
      schedule_(std::move(schedule)),
      store_(std::move(store), parallel.threads()),
      outside_(outside),
      memory_(memory),
      executor_(program_, schedule_, memory, parallel, &store_) {}

Answer LoadedProgram::check_segment(uint32_t segment) const {
  if (segment >= program_.segments.size()) return policy(Text::segment_unknown);
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

namespace {

// Of what an operator met, the kind alone goes out.
Answer answer_of(const ops::Outcome& outcome) {
  switch (outcome.fault) {
    case ops::Fault::index_out_of_range: return {Code::invalid_argument, Text::index_out_of_range};
    case ops::Fault::division_by_zero: return {Code::invalid_argument, Text::division_by_zero};
    case ops::Fault::none: break;
  }
  return {Code::internal, Text::none};
}

}  // namespace

Answer LoadedProgram::run(uint32_t segment, program::Exchange& exchange, uint64_t& crypto_ns) {
  running_ = segment;
  const Status status = executor_.run(segment, exchange);
  running_ = UINT32_MAX;
  crypto_ns += store_.take_mean_ns();
  if (status.ok()) return {};
  if (status.code() == Code::invalid_argument) return answer_of(executor_.last_fault().outcome);
  return status.code() == Code::integrity ? integrity(Text::outside_not_authentic)
                                          : policy(Text::segment_out_of_order);
}

OutputToken LoadedProgram::token(uint32_t segment, uint32_t output, uint64_t offset,
                                 ConstByteSpan value) const {
  TAOISM_CHECK(segment == running_ && output < program_.segments[segment].outputs.size());
  const uint64_t bytes = slot_bytes(segment, input_count(segment) + output);
  TAOISM_CHECK(offset <= bytes && value.size() <= bytes - offset);
  return OutputToken(value);
}

size_t LoadedProgram::max_slot_count() const {
  size_t most = 0;
  for (uint32_t s = 0; s < program_.segments.size(); ++s) most = std::max(most, slot_count(s));
  return most;
}

}  // namespace taoism::trusted
