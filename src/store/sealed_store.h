// SealedStore: a program's memory outside the TEE, seen from inside. Weights are as their owner
// sealed them; spilled activations are sealed here, under a key that never leaves, and a table kept
// inside knows the version of each chunk, so that an older one is as false as a forged one.
// Trusted. Thread-safety: as SealedMemory.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "program/sealed_memory.h"
#include "store/seal_weights.h"

namespace taoism::store {

class SealedStore final : public program::SealedMemory {
 public:
  // `untrusted_weights` has layout.bytes(), `untrusted_spill` spill_bytes(schedule); both may
  // change at any time. `threads`: how many may call at once. Errors: internal (the crypto
  // provider).
  static Result<std::unique_ptr<SealedStore>> open(const StoreHeader& header, WeightLayout layout,
                                                   const program::Schedule& schedule,
                                                   ConstByteSpan untrusted_weights,
                                                   ByteSpan untrusted_spill, size_t threads);

  ~SealedStore();
  SealedStore(const SealedStore&) = delete;
  SealedStore& operator=(const SealedStore&) = delete;

  bool open_weight(program::WeightId weight, uint32_t piece, ByteSpan to, size_t thread) override;
  bool spill(uint64_t chunk, ConstByteSpan from, size_t thread) override;
  bool fetch(uint64_t chunk, ByteSpan to, size_t thread) override;

 private:
  struct Thread;
  SealedStore(const StoreHeader& header, WeightLayout layout, ConstByteSpan untrusted_weights,
              ByteSpan untrusted_spill);
  ChunkContext spill_context(uint64_t chunk, uint64_t bytes) const;

  StoreHeader header_;  // without the secret
  crypto::StoreId spill_id_{};
  WeightLayout layout_;
  ConstByteSpan untrusted_weights_;
  ByteSpan untrusted_spill_;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<uint64_t> versions_;  // by chunk: the counter of its last writing; 0: none
  std::atomic<uint64_t> last_version_{0};
};

}  // namespace taoism::store
