// Where each buffer of an arena goes, from its size and the steps during which it is live. Trusted.
#pragma once

#include <cstdint>
#include <vector>

namespace taoism::program {

struct BufferLife {
  uint64_t bytes = 0;
  uint32_t first = 0;  // the step that writes it
  uint32_t last = 0;   // the last step that reads it, >= first
};

struct MemoryPlan {
  std::vector<uint64_t> offsets;  // one a buffer, multiples of kAlignment
  uint64_t total_bytes = 0;
};

// Buffers whose lives overlap never overlap in memory. Greedy by size, each at the lowest offset
// that is free over its whole life: within a few per cent of the lower bound on convolutional
// networks. Takes n log(n)^2 steps for n buffers that leave few gaps.
MemoryPlan plan_memory(const std::vector<BufferLife>& buffers);

}  // namespace taoism::program
