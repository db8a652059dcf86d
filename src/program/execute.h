// Executes a verified program by its schedule. Shared by the CPU device and the TEE, so that a
// result does not depend on where a node ran. Trusted; does not allocate after construction.
// Thread-safety: one thread at a time.
#pragma once

#include <string>
#include <vector>

#include "base/parallel.h"
#include "program/schedule.h"
#include "program/sealed_memory.h"
#include "program/weight_stream.h"

namespace taoism::program {

// Where a segment's inputs come from and its outputs go: the only way in and out of a run. Every
// byte of an input is read once, of an output written once, a part of the batch at a time.
class Exchange {
 public:
  virtual void read(uint32_t input, uint64_t offset, ByteSpan to) = 0;
  virtual void write(uint32_t output, uint64_t offset, ConstByteSpan from) = 0;

 protected:
  ~Exchange() = default;
};

// What ended a run: a fault of the instruction's own.
struct NodeFault {
  const Instruction* instruction = nullptr;
  ops::Outcome outcome;
};
// "Gather 'embed': index 7 is not in [-4, 3]". For a host.
std::string fault_text(const NodeFault& fault);

class Executor {
 public:
  // `program` passed verify() and `schedule` was made for it with parallel.threads() threads at
  // least; `memory` has schedule.arena_bytes(), kAlignment-aligned. All outlive the executor.
  // Resident weights are opened from `sealed` when they are first needed; without it (nothing is
  // streamed or spilled then) the owner puts them where weight() says.
  Executor(const Program& program, const Schedule& schedule, ByteSpan memory, Parallel& parallel,
           SealedMemory* sealed);
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  size_t segment_count() const { return program_->segments.size(); }
  // The memory of a resident weight.
  ByteSpan weight(WeightId weight) const;
  // Runs one segment. Segments run in order; segment 0 may always start over. Errors: policy when
  // the order is another (slots would hold other values than verified); integrity when what came
  // back from `sealed` was not what was put there; invalid_argument, without a message, when an
  // operator met a fault in what it was given: last_fault() says which. Outputs may have been
  // written in part, and the next run starts over.
  Status run(size_t segment, Exchange& exchange);
  // Of the last run that ended with one: the first in the order of the schedule.
  const NodeFault& last_fault() const { return fault_; }
  // Whether run(segment) is next in order.
  bool may_run(size_t segment) const;

 private:
  Status run_part(size_t segment, const Part& part, uint64_t first_image, Exchange& exchange);
  Status run_step(size_t segment, const Step& step, uint64_t first_image, Exchange& exchange);
  Status compute(size_t segment, const Step& step, uint64_t first_image);
  Status compute_streamed(const ops::RunContext& context, const Instruction& instruction,
                          size_t input);
  Status check(const Instruction& instruction, const ops::Outcome& outcome);
  Status exchange_spilled(const Step& step, uint64_t first_image);
  static void copy_rows(const RowCopy& copy, const std::byte* from, std::byte* to);
  std::byte* at(const Step& step, size_t operand, uint64_t first_image) const {
    const uint64_t stride = step.strides.empty() ? 0 : step.strides[operand];
    return activations_.data() + step.offsets[operand] + first_image * stride;
  }

  const Program* program_;
  const Schedule* schedule_;
  ByteSpan weights_, activations_;
  SealedMemory* sealed_;
  WeightStream stream_;
  size_t next_ = 0;
  NodeFault fault_;
  std::vector<bool> is_opened_;  // by weight: resident and there
  std::vector<const std::byte*> input_data_;
  std::vector<std::byte*> output_data_;
};

}  // namespace taoism::program
