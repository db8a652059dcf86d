// Executes a verified program's segments over an arena. Shared by the CPU device and the TEE, so
// that a result does not depend on where a node ran. Trusted; does not allocate after construction.
// Thread-safety: one thread at a time.
#pragma once

#include <memory>

#include "base/parallel.h"
#include "program/program.h"

namespace taoism::program {

// The program's memory: three areas of at least weight_bytes, activation_bytes and scratch_bytes.
struct Arena {
  ByteSpan weights;
  ByteSpan activations;
  ByteSpan scratch;
};

class Executor {
 public:
  // `program` must have passed verify() and outlive the executor, as must `arena` and `parallel`.
  Executor(const Program& program, Arena arena, Parallel& parallel);
  ~Executor();
  Executor(Executor&&) noexcept;

  size_t segment_count() const { return program_->segments.size(); }
  // The memory of a slot: where inputs are put before, and outputs read after, run().
  ByteSpan slot(SlotId slot) const;
  // Runs one segment on what its input slots hold. Segments run in order; segment 0 may always
  // start over. Errors: policy when the order is another (slots would hold other values than
  // verified).
  Status run(size_t segment);
  // Whether run(segment) is next in order: what a caller checks before it overwrites input slots.
  bool may_run(size_t segment) const;

 private:
  struct Bound;

  const Program* program_;
  Arena arena_;
  Parallel* parallel_;
  size_t next_ = 0;
  std::vector<std::vector<Bound>> segments_;
};

}  // namespace taoism::program
