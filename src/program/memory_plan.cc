#include "program/memory_plan.h"

#include <algorithm>
#include <numeric>

#include "base/bytes.h"

namespace taoism::program {

MemoryPlan plan_memory(const std::vector<BufferLife>& buffers) {
  MemoryPlan plan;
  plan.offsets.resize(buffers.size());
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return buffers[a].bytes > buffers[b].bytes; });
  std::vector<size_t> placed;  // by offset
  for (size_t index : order) {
    const BufferLife& life = buffers[index];
    uint64_t offset = 0;
    for (size_t other : placed) {
      const BufferLife& theirs = buffers[other];
      if (theirs.last < life.first || life.last < theirs.first) continue;
      if (offset + life.bytes <= plan.offsets[other]) break;
      offset = std::max(offset, round_up(plan.offsets[other] + theirs.bytes, kAlignment));
    }
    plan.offsets[index] = offset;
    plan.total_bytes = std::max(plan.total_bytes, round_up(offset + life.bytes, kAlignment));
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), index,
                         [&](size_t a, size_t b) { return plan.offsets[a] < plan.offsets[b]; }),
        index);
  }
  return plan;
}

}  // namespace taoism::program
