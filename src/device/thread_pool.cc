#include "device/thread_pool.h"

#include <algorithm>

namespace taoism::device {
namespace {

// About 20 us: longer than the gap between two kernels of a model, shorter than a scheduler tick.
constexpr int kSpins = 4000;

inline void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadPool::ThreadPool(size_t threads) {
  for (size_t t = 1; t < std::max<size_t>(threads, 1); ++t) {
    workers_.emplace_back([this, t] { work(t); });
  }
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  generation_.fetch_add(1);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::take(size_t thread) {
  for (size_t i = next_.fetch_add(1); i < count_; i = next_.fetch_add(1)) {
    task_(context_, i, thread);
  }
}

void ThreadPool::run(size_t count, Task task, void* context) {
  if (workers_.empty() || count <= 1) {
    for (size_t i = 0; i < count; ++i) task(context, i, 0);
    return;
  }
  task_ = task;
  context_ = context;
  count_ = count;
  next_ = 0;
  busy_ = workers_.size();
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  take(0);
  for (int spin = 0; busy_.load(std::memory_order_acquire) != 0; ++spin) {
    if (spin < kSpins) {
      pause_cpu();
    } else {
      const size_t busy = busy_.load(std::memory_order_acquire);
      if (busy != 0) busy_.wait(busy);
    }
  }
}

void ThreadPool::work(size_t thread) {
  uint32_t seen = 0;
  for (;;) {
    for (int spin = 0; generation_.load(std::memory_order_acquire) == seen; ++spin) {
      if (spin < kSpins) {
        pause_cpu();
      } else {
        generation_.wait(seen);
      }
    }
    seen = generation_.load(std::memory_order_acquire);
    if (stop_) return;
    take(thread);
    if (busy_.fetch_sub(1, std::memory_order_release) == 1) busy_.notify_all();
  }
}

}  // namespace taoism::device
