// The trusted memory: one area of exactly the budget, from which each program's blocks are carved.
// Trusted. Thread-safety: one thread at a time.
#pragma once

#include <optional>
#include <vector>

#include "base/bytes.h"

namespace taoism::trusted {

class Arena {
 public:
  // `memory` is kAlignment-aligned and outlives the arena.
  explicit Arena(ByteSpan memory);
  // Wipes what is still carved.
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // The first gap that is large enough, aligned; nothing when there is none.
  std::optional<ByteSpan> carve(uint64_t bytes);
  // Wipes `block` and gives it back. `block` is what carve() returned.
  void release(ByteSpan block);

  uint64_t capacity_bytes() const { return memory_.size(); }
  uint64_t used_bytes() const { return used_bytes_; }
  uint64_t peak_bytes() const { return peak_bytes_; }

 private:
  ByteSpan memory_;
  std::vector<ByteSpan> blocks_;  // by address
  uint64_t used_bytes_ = 0;
  uint64_t peak_bytes_ = 0;
};

}  // namespace taoism::trusted
