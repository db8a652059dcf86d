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

WorkerPool::WorkerPool(size_t threads, bool spin) : spin_(spin) {
  for (size_t t = 1; t < threads; ++t) {
    workers_.emplace_back([this, t] { work(t); });
  }
  while (started_.load() != workers_.size()) std::this_thread::yield();
}

WorkerPool::~WorkerPool() {
  stop_ = true;
  change(generation_, generation_.load() + 1);
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

void WorkerPool::change(std::atomic<uint32_t>& word, uint32_t value) {
  word.store(value, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) != 0) {
    platform::futex_wake(address(word), INT_MAX, false);
  }
}

void WorkerPool::take(size_t thread) {
  for (size_t i = next_.fetch_add(1); i < count_; i = next_.fetch_add(1)) {
    task_(context_, i, thread);
  }
}

void WorkerPool::run(size_t count, Task task, void* context) {
  if (workers_.empty() || count <= 1) {
    for (size_t i = 0; i < count; ++i) task(context, i, 0);
    return;
  }
  task_ = task;
  context_ = context;
  count_ = count;
  next_ = 0;
  busy_ = static_cast<uint32_t>(workers_.size());
  const uint32_t generation = generation_.load(std::memory_order_relaxed) + 1;
  change(generation_, generation);
  take(0);
  wait_for_change(done_, generation - 1);
}

void WorkerPool::work(size_t thread) {
  started_.fetch_add(1);
  for (uint32_t seen = 0;;) {
    wait_for_change(generation_, seen);
    ++seen;
    if (stop_) return;
    take(thread);
    if (busy_.fetch_sub(1, std::memory_order_acq_rel) == 1) change(done_, seen);
  }
}

}  // namespace taoism::image
