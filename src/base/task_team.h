// TaskTeam: the bookkeeping of one Parallel::run, without threads or sleeping, which its owners
// bring. Whoever comes while the run is open joins; the caller works too, and waits only for those
// who joined. A helper that the system has not scheduled yet therefore delays nothing. Trusted.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/parallel.h"
#include "base/task_shares.h"

namespace taoism {

class TaskTeam {
 public:
  // For threads 0, the caller, to `threads` - 1.
  explicit TaskTeam(size_t threads) : shares_(threads) {}

  // The caller: offers tasks [0, count). The team must be empty. After it, wake the helpers.
  void open(size_t count, Parallel::Task task, void* context) {
    task_ = task;
    context_ = context;
    shares_.set(count);
    state_.store(kOpen, std::memory_order_release);
  }
  // A helper: true when it has joined an open run; then take() and leave(). A helper that comes
  // late may join a later run than the one it was woken for.
  bool join() {
    uint32_t state = state_.load(std::memory_order_relaxed);
    while ((state & kOpen) != 0) {
      if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acquire)) return true;
    }
    return false;
  }
  // Runs tasks until none is left.
  void take(size_t thread) {
    shares_.take(thread, [&](size_t task) { task_(context_, task, thread); });
  }
  // A helper: true when it was the last and the run is closed, so that the caller waits for just
  // this.
  bool leave() { return state_.fetch_sub(1, std::memory_order_seq_cst) == 1; }
  // The caller, when no task is left: nobody joins any more. It then waits until state() is 0.
  void close() { state_.fetch_and(~kOpen, std::memory_order_seq_cst); }
  // 0 when the run is closed and all have left; what a waiting caller sleeps on.
  std::atomic<uint32_t>& state() { return state_; }

 private:
  static constexpr uint32_t kOpen = 1U << 31;  // the rest counts the helpers at work

  TaskShares shares_;
  Parallel::Task task_ = nullptr;
  void* context_ = nullptr;
  alignas(kAlignment) std::atomic<uint32_t> state_{0};
};

}  // namespace taoism
