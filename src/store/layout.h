// Where the sealed pieces of a program's weights lie in their store, derived by both sides from the
// program alone. Trusted. Thread-safety: a value.
#pragma once

#include <vector>

#include "program/schedule.h"

namespace taoism::store {

class WeightLayout {
 public:
  // `program` passed verify().
  explicit WeightLayout(const program::Program& program);

  // Of the whole store.
  uint64_t bytes() const { return bytes_; }
  uint32_t pieces(program::WeightId weight) const {
    return static_cast<uint32_t>(ends_[weight].size());
  }
  uint64_t begin(program::WeightId weight, uint32_t piece) const {
    return piece == 0 ? 0 : ends_[weight][piece - 1];
  }
  uint64_t end(program::WeightId weight, uint32_t piece) const { return ends_[weight][piece]; }
  // Of a piece, ciphertext and then tag, from the start of the store.
  uint64_t offset(program::WeightId weight, uint32_t piece) const;
  uint64_t sealed_bytes(program::WeightId weight, uint32_t piece) const;
  // The number of a piece among all: its counter.
  uint64_t counter(program::WeightId weight, uint32_t piece) const {
    return first_piece_[weight] + piece;
  }

 private:
  std::vector<std::vector<uint64_t>> ends_;  // by weight
  std::vector<uint64_t> first_piece_, offset_;
  uint64_t bytes_ = 0;
};

// Bytes of the area that holds a schedule's spilled chunks: each has room for the largest.
uint64_t spill_bytes(const program::Schedule& schedule);
// Enough for any schedule of the program: every slot spilled.
uint64_t most_spill_bytes(const program::Program& program);
inline constexpr uint64_t kSpillChunkBytes = program::kPieceBytes + 16;

}  // namespace taoism::store
