// The host's implementation of Parallel: a fixed set of threads that spin briefly for the next task
// and then sleep. Thread-safety: as Parallel.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/task_team.h"

namespace taoism::device {

class ThreadPool final : public Parallel {
 public:
  // `threads` >= 1, the calling thread included.
  explicit ThreadPool(size_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  size_t threads() const override { return workers_.size() + 1; }
  void run(size_t count, Task task, void* context) override;

 private:
  void work(size_t thread);

  std::vector<std::thread> workers_;
  TaskTeam team_;
  alignas(kAlignment) std::atomic<uint32_t> generation_{0};
  std::atomic<bool> stop_{false};
};

}  // namespace taoism::device
