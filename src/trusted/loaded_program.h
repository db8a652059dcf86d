// A verified program with its memory: it gathers the weights, runs segments in their order, and
// mints the tokens without which nothing leaves. Trusted. Thread-safety: one thread at a time.
#pragma once

#include "program/execute.h"
#include "trusted/answer.h"
#include "trusted/gate.h"
#include "wire/message.h"

namespace taoism::trusted {

class LoadedProgram {
 public:
  // `memory` has memory_bytes(program) bytes, kAlignment-aligned; `program` came from decode().
  LoadedProgram(const wire::ProgramId& id, program::Program program, ByteSpan memory,
                Parallel& parallel);
  LoadedProgram(const LoadedProgram&) = delete;
  LoadedProgram& operator=(const LoadedProgram&) = delete;

  static uint64_t memory_bytes(const program::Program& program);

  const wire::ProgramId& id() const { return id_; }
  ByteSpan memory() const { return memory_; }

  // Where the next `bytes` bytes of weights go, if this is what the message says. Weights arrive in
  // order and without gaps, so that "all arrived" is one position. Errors: integrity.
  Answer expect_weights(const wire::LoadWeights& message, uint64_t bytes, ByteSpan& destination);
  // Call when what expect_weights() allowed was found authentic.
  void accept_weights(uint64_t bytes);

  // Whether `segment` may run now: all weights are there, and it is the first segment or the one
  // after the last that ran. Errors: policy.
  Answer check_segment(uint32_t segment) const;

  // The segment's tensors: inputs, then outputs, in order. `segment` passed check_segment().
  size_t slot_count(uint32_t segment) const;
  size_t input_count(uint32_t segment) const { return program_.segments[segment].inputs.size(); }
  size_t slot_bytes(uint32_t segment, size_t slot) const;
  ByteSpan input(uint32_t segment, size_t input);
  Answer run(uint32_t segment);
  // `segment` must be the one that ran last. Exactly its outputs can be let out.
  OutputToken output(uint32_t segment, size_t output) const;

  // The largest slot_count() of any segment.
  size_t max_slot_count() const;

 private:
  void skip_empty_weights();

  wire::ProgramId id_;
  program::Program program_;
  ByteSpan memory_;
  program::Executor executor_;
  uint32_t next_weight_ = 0;
  uint64_t next_offset_ = 0;
  uint32_t last_segment_ = UINT32_MAX;  // that ran; none at first
};

}  // namespace taoism::trusted
