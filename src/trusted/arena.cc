#include "trusted/arena.h"

#include <algorithm>

namespace taoism::trusted {
namespace {

void wipe(ByteSpan block) {
  if (!block.empty()) secure_wipe(block.data(), block.size());
}

}  // namespace

Arena::Arena(ByteSpan memory) : memory_(memory) {
  TAOISM_CHECK(reinterpret_cast<uintptr_t>(memory.data()) % kAlignment == 0);
}

Arena::~Arena() {
  for (const ByteSpan block : blocks_) wipe(block);
}

std::optional<ByteSpan> Arena::carve(uint64_t bytes) {
  if (bytes == 0) return ByteSpan();
  size_t start = 0;
  auto next = blocks_.begin();
  for (; next != blocks_.end(); ++next) {
    const auto gap_end = static_cast<size_t>(next->data() - memory_.data());
    if (start <= gap_end && gap_end - start >= bytes) break;
    start = round_up(gap_end + next->size(), kAlignment);
  }
  if (start > memory_.size() || memory_.size() - start < bytes) return std::nullopt;
  const ByteSpan block = memory_.subspan(start, static_cast<size_t>(bytes));
  blocks_.insert(next, block);
  used_bytes_ += bytes;
  peak_bytes_ = std::max(peak_bytes_, used_bytes_);
  return block;
}

void Arena::release(ByteSpan block) {
  if (block.empty()) return;
  const auto found = std::find_if(blocks_.begin(), blocks_.end(), [&](ByteSpan candidate) {
    return candidate.data() == block.data();
  });
  TAOISM_CHECK(found != blocks_.end());
  wipe(*found);
  used_bytes_ -= found->size();
  blocks_.erase(found);
}

}  // namespace taoism::trusted
