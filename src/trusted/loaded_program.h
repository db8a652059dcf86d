// A verified program with its memory: it runs segments in their order and mints the tokens without
// which nothing leaves. Weights are opened when they are first needed. Trusted.
// Thread-safety: one thread at a time.
#pragma once

#include "program/execute.h"
#include "store/sealed_store.h"
#include "trusted/answer.h"
#include "trusted/gate.h"
#include "wire/message.h"

namespace taoism::trusted {

// Where a program's sealed weights and its spilled activations lie in the payload area.
struct Outside {
  wire::Range weights;
  wire::Range spill;
};

class LoadedProgram {
 public:
  // `memory` has schedule.arena_bytes(), kAlignment-aligned; `program` came from decode().
  LoadedProgram(const wire::ProgramId& id, program::Program program, program::Schedule schedule,
                std::unique_ptr<store::SealedStore> store, const Outside& outside, ByteSpan memory,
                Parallel& parallel);
  LoadedProgram(const LoadedProgram&) = delete;
  LoadedProgram& operator=(const LoadedProgram&) = delete;

  const wire::ProgramId& id() const { return id_; }
  ByteSpan memory() const { return memory_; }
  const Outside& outside() const { return outside_; }

  // Whether `segment` may run now: it is the first segment or the one after the last that ran.
  // Errors: policy.
  Answer check_segment(uint32_t segment) const;

  // The segment's tensors: inputs, then outputs, in order. `segment` passed check_segment().
  size_t slot_count(uint32_t segment) const;
  size_t input_count(uint32_t segment) const { return program_.segments[segment].inputs.size(); }
  size_t slot_bytes(uint32_t segment, size_t slot) const;
  // Adds to `crypto_ns` what each thread spent on sealing and opening, on average. Errors:
  // integrity; invalid_argument for a fault of an operator, after which segment 0 may run.
  Answer run(uint32_t segment, program::Exchange& exchange, uint64_t& crypto_ns);
  // For the segment that runs, and the part of one of its outputs that begins at `offset`: nothing
  // else can be let out.
  OutputToken token(uint32_t segment, uint32_t output, uint64_t offset, ConstByteSpan value) const;

  // The largest slot_count() of any segment.
  size_t max_slot_count() const;

 private:
  // The store, with the time that each thread spends in it.
  class TimedStore final : public program::SealedMemory {
   public:
    TimedStore(std::unique_ptr<store::SealedStore> store, size_t threads)
        : store_(std::move(store)), spent_(threads) {}
    bool open_weight(program::WeightId weight, uint32_t piece, ByteSpan to, size_t thread) override;
    bool spill(uint64_t chunk, ConstByteSpan from, size_t thread) override;
    bool fetch(uint64_t chunk, ByteSpan to, size_t thread) override;
    uint64_t take_mean_ns();

   private:
    struct alignas(2 * kAlignment) Spent {
      uint64_t ns = 0;
    };
    std::unique_ptr<store::SealedStore> store_;
    std::vector<Spent> spent_;
  };

  wire::ProgramId id_;
  program::Program program_;
  program::Schedule schedule_;
  TimedStore store_;
  Outside outside_;
  ByteSpan memory_;
  program::Executor executor_;
  uint32_t running_ = UINT32_MAX;
};

}  // namespace taoism::trusted
