// The Parallel of a TEE image: threads made once, before the sandbox closes, that spin briefly for
// the next task and then sleep. They make no system call but futex.
// Thread-safety: as Parallel.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/parallel.h"

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
  void take(size_t thread);
  // Returns when `word` is not `seen`.
  void wait_for_change(std::atomic<uint32_t>& word, uint32_t seen);
  void change(std::atomic<uint32_t>& word, uint32_t value);

  const bool spin_;
  Task task_ = nullptr;
  void* context_ = nullptr;
  size_t count_ = 0;
  bool stop_ = false;
  std::atomic<size_t> next_{0};
  std::atomic<uint32_t> generation_{0};
  std::atomic<uint32_t> busy_{0};
  std::atomic<uint32_t> done_{0};  // the last generation that all workers have finished
  std::atomic<uint32_t> sleepers_{0};
  std::atomic<uint32_t> started_{0};
  std::vector<std::thread> workers_;
};

}  // namespace taoism::image
