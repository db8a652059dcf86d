// TaskShares: the tasks of one run, handed to threads. Every thread has an even share, the same for
// the same count, and helps others when it has done its own: neighbouring tasks touch the same
// memory, and a count that all threads take from would be passed from core to core for every task.
// Trusted. Thread-safety: set() before the threads start, take() from all of them.
#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

#include "base/bytes.h"

namespace taoism {

class TaskShares {
 public:
  explicit TaskShares(size_t threads) : shares_(threads) {}

  // Tasks [0, count).
  void set(size_t count) {
    const size_t threads = shares_.size();
    for (size_t t = 0; t < threads; ++t) {
      shares_[t].next.store(count * t / threads, std::memory_order_relaxed);
      shares_[t].end = count * (t + 1) / threads;
    }
  }
  // Calls function(task) until none is left: for the thread's own, then for those of others.
  template <typename Function>
  void take(size_t thread, Function&& function) {
    const size_t threads = shares_.size();
    for (size_t i = 0; i < threads; ++i) {
      Share& share = shares_[thread + i < threads ? thread + i : thread + i - threads];
      while (share.next.load(std::memory_order_relaxed) < share.end) {
        const size_t task = share.next.fetch_add(1, std::memory_order_relaxed);
        if (task < share.end) function(task);
      }
    }
  }

 private:
  // A cache line each.
  struct alignas(kAlignment) Share {
    std::atomic<size_t> next{0};
    size_t end = 0;
  };

  std::vector<Share> shares_;
};

}  // namespace taoism
