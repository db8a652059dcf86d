#include "worker_pool.h"

#include <climits>

#include "trusted/platform.h"

namespace taoism::image {
namespace {

// About 20 us: longer than the gap between two kernels, shorter than a scheduler tick.
constexpr int kSpins = 1000;

uint32_t* address(std::atomic<uint32_t>& word) {
  static_assert(sizeof(word) == sizeof(uint32_t));
  return reinterpret_cast<uint32_t*>(&word);
}

}  // namespace

WorkerPool::WorkerPool(size_t threads, bool spin) : spin_(spin), team_(threads) {
  for (size_t t = 1; t < threads; ++t) {
    workers_.emplace_back([this, t] { work(t); });
  }
  while (started_.load() != workers_.size()) std::this_thread::yield();
}

WorkerPool::~WorkerPool() {
  stop_ = true;
  generation_.fetch_add(1, std::memory_order_seq_cst);
  wake(generation_);
  for (std::thread& worker : workers_) worker.join();
}

void WorkerPool::wait_for_change(std::atomic<uint32_t>& word, uint32_t seen) {
  for (int spins = spin_ ? kSpins : 0; spins > 0; --spins) {
    if (word.load(std::memory_order_acquire) != seen) return;
    platform::pause();
  }
  while (word.load(std::memory_order_acquire) == seen) {
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    if (word.load(std::memory_order_seq_cst) == seen) {
      platform::futex_wait(address(word), seen, false);
    }
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
  }
}

// After a sequentially consistent change of `word`.
void WorkerPool::wake(std::atomic<uint32_t>& word) {
  if (sleepers_.load(std::memory_order_seq_cst) != 0) {
    platform::futex_wake(address(word), INT_MAX, false);
  }
}

void WorkerPool::run(size_t count, Task task, void* context) {
  if (workers_.empty() || count <= 1) {
    for (size_t i = 0; i < count; ++i) task(context, i, 0);
    return;
  }
  team_.open(count, task, context);
  generation_.fetch_add(1, std::memory_order_seq_cst);
  wake(generation_);
  team_.take(0);
  team_.close();
  for (uint32_t state; (state = team_.state().load(std::memory_order_acquire)) != 0;) {
    wait_for_change(team_.state(), state);
  }
}

void WorkerPool::work(size_t thread) {
  started_.fetch_add(1);
  for (uint32_t seen = 0;;) {
    wait_for_change(generation_, seen);
    seen = generation_.load(std::memory_order_acquire);
    if (stop_) return;
    if (!team_.join()) continue;
    team_.take(thread);
    if (team_.leave()) wake(team_.state());
  }
}

}  // namespace taoism::image
