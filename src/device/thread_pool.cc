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

ThreadPool::ThreadPool(size_t threads) : team_(std::max<size_t>(threads, 1)) {
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

void ThreadPool::run(size_t count, Task task, void* context) {
  if (workers_.empty() || count <= 1) {
    for (size_t i = 0; i < count; ++i) task(context, i, 0);
    return;
  }
  team_.open(count, task, context);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  team_.take(0);
  team_.close();
  for (int spin = 0;; ++spin) {
    const uint32_t state = team_.state().load(std::memory_order_acquire);
    if (state == 0) return;
    if (spin < kSpins) {
      pause_cpu();
    } else {
      team_.state().wait(state);
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
    if (!team_.join()) continue;
    team_.take(thread);
    if (team_.leave()) team_.state().notify_all();
  }
}

}  // namespace taoism::device
