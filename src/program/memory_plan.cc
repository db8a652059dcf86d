#include "program/memory_plan.h"

#include <algorithm>
#include <numeric>

#include "base/bytes.h"

namespace taoism::program {
namespace {

// Memory that is taken: ranges in order that do not touch each other.
class Ranges {
 public:
  // The lowest offset from `offset` on at which so many bytes are free.
  uint64_t free_from(uint64_t offset, uint64_t bytes) const {
    auto range = std::partition_point(taken_.begin(), taken_.end(),
                                      [&](const Range& r) { return r.end <= offset; });
    for (; range != taken_.end() && range->begin < offset + bytes; ++range) offset = range->end;
    return offset;
  }
  void take(uint64_t begin, uint64_t end) {
    const auto first = std::partition_point(taken_.begin(), taken_.end(),
                                            [&](const Range& r) { return r.end < begin; });
    auto last = first;
    for (; last != taken_.end() && last->begin <= end; ++last) {
      begin = std::min(begin, last->begin);
      end = std::max(end, last->end);
    }
    if (first == last) {
      taken_.insert(first, {begin, end});
    } else {
      *first = {begin, end};
      taken_.erase(first + 1, last);
    }
  }

 private:
  struct Range {
    uint64_t begin, end;
  };
  std::vector<Range> taken_;
};

// What is taken at which times: a tree over times. A life is the union of few nodes' times.
class Occupancy {
 public:
  explicit Occupancy(size_t times) {
    while (leaves_ < times) leaves_ *= 2;
    whole_.resize(2 * leaves_);
    below_.resize(2 * leaves_);
  }

  // The lowest offset at which so many bytes are free from `first` to `last`.
  uint64_t lowest_free(size_t first, size_t last, uint64_t bytes) const {
    std::vector<const Ranges*> taken;
    for_each_node(first, last, [&](size_t node) {
      taken.push_back(&below_[node]);
      while ((node /= 2) != 0) taken.push_back(&whole_[node]);
    });
    uint64_t offset = 0;
    for (bool moved = true; moved;) {
      moved = false;
      for (const Ranges* ranges : taken) {
        const uint64_t next = ranges->free_from(offset, bytes);
        moved = moved || next != offset;
        offset = next;
      }
    }
    return offset;
  }

  void take(size_t first, size_t last, uint64_t begin, uint64_t end) {
    for_each_node(first, last, [&](size_t node) {
      whole_[node].take(begin, end);
      for (; node != 0; node /= 2) below_[node].take(begin, end);
    });
  }

 private:
  // The fewest nodes that make up the times.
  template <typename Function>
  void for_each_node(size_t first, size_t last, Function&& function) const {
    size_t begin = first + leaves_, end = last + 1 + leaves_;
    for (; begin < end; begin /= 2, end /= 2) {
      if (begin % 2 != 0) function(begin++);
      if (end % 2 != 0) function(--end);
    }
  }

  size_t leaves_ = 1;
  std::vector<Ranges> whole_;  // by node: of what lives at all its times
  std::vector<Ranges> below_;  // by node: of what lives at any of them
};

}  // namespace

MemoryPlan plan_memory(const std::vector<BufferLife>& buffers) {
  MemoryPlan plan;
  plan.offsets.resize(buffers.size());
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return buffers[a].bytes > buffers[b].bytes; });
  std::vector<uint32_t> times;  // at which anything begins or ends
  for (const BufferLife& life : buffers) {
    times.push_back(life.first);
    times.push_back(life.last);
  }
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end()), times.end());
  const auto number_of = [&](uint32_t time) {
    return static_cast<size_t>(std::lower_bound(times.begin(), times.end(), time) - times.begin());
  };
  Occupancy occupancy(times.size());
  for (size_t index : order) {
    const BufferLife& life = buffers[index];
    if (life.bytes == 0) break;  // they are the last, and need no memory
    const size_t first = number_of(life.first), last = number_of(life.last);
    const uint64_t offset = occupancy.lowest_free(first, last, life.bytes);
    const uint64_t end = round_up(offset + life.bytes, kAlignment);
    occupancy.take(first, last, offset, end);
    plan.offsets[index] = offset;
    plan.total_bytes = std::max(plan.total_bytes, end);
  }
  return plan;
}

}  // namespace taoism::program
