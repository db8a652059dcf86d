// The Parallel of a TEE image: threads made once, before the sandbox closes, that spin briefly for
// the next task and then sleep. They make no system call but futex.
// Thread-safety: as Parallel.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/task_team.h"

namespace taoism::image {

class WorkerPool final : public Parallel {
 public:
  // `threads` >= 1 counts the calling thread. `spin` is false where there is one processor. Returns
  // when all threads run, so that none of them still needs what a sandbox forbids.
  WorkerPool(size_t threads, bool spin);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  size_t threads() const override { return workers_.size() + 1; }
  void run(size_t count, Task task, void* context) override;

 private:
  void work(size_t thread);
  // Returns when `word` is not `seen`.
  void wait_for_change(std::atomic<uint32_t>& word, uint32_t seen);
  void wake(std::atomic<uint32_t>& word);

  const bool spin_;
  TaskTeam team_;
  std::atomic<bool> stop_{false};
  alignas(kAlignment) std::atomic<uint32_t> generation_{0};
  std::atomic<uint32_t> sleepers_{0};
  std::atomic<uint32_t> started_{0};
  std::vector<std::thread> workers_;
};

}  // namespace taoism::image
