// wipe_stacks on stacks that the test owns, and looks at in its own memory while their threads
// wait: no right to look into a process is needed.
#include "trusted/stacks.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>

#include "base/bytes.h"
#include "base/status.h"

namespace taoism::trusted {
namespace {

constexpr std::byte kOld{0xa5};
constexpr size_t kBytes = 16 * kStackBytes;
// Below the frame that calls a task: what leads to wiping, and what waits after it.
constexpr size_t kFrames = size_t{16} << 10;

// One thread on a stack that was full of kOld.
class Stack {
 public:
  Stack() : memory_(kBytes) { std::ranges::fill(memory_.span(), kOld); }
  void start(std::function<void()> work) {
    work_ = std::move(work);
    pthread_attr_t attributes;
    TAOISM_CHECK(pthread_attr_init(&attributes) == 0);
    TAOISM_CHECK(pthread_attr_setstack(&attributes, memory_.data(), memory_.size()) == 0);
    const auto enter = [](void* stack) -> void* {
      static_cast<Stack*>(stack)->work_();
      return nullptr;
    };
    TAOISM_CHECK(pthread_create(&thread_, &attributes, enter, this) == 0);
    TAOISM_CHECK(pthread_attr_destroy(&attributes) == 0);
  }
  void join() const { TAOISM_CHECK(pthread_join(thread_, nullptr) == 0); }
  // How many of the `bytes` that end `above` bytes below `top` are `value`.
  [[gnu::no_sanitize_address, gnu::no_sanitize_thread]] size_t count(size_t above, size_t bytes,
                                                                     std::byte value) const {
    size_t found = 0;
    const volatile std::byte* at = top.load() - above - bytes;
    for (size_t i = 0; i < bytes; ++i) found += at[i] == value ? 1 : 0;
    return found;
  }
  size_t below_top() const { return static_cast<size_t>(top.load() - memory_.data()); }

  std::atomic<std::byte*> top{nullptr};  // the frame that calls tasks

 private:
  AlignedBuffer memory_;
  std::function<void()> work_;
  pthread_t thread_{};
};

// Whoever calls run(), once, is on stacks.front(). All others begin with it, and then stay until
// they are let go.
class OwnStacks final : public Parallel {
 public:
  explicit OwnStacks(size_t threads) : stacks(threads) {}
  size_t threads() const override { return stacks.size(); }
  void run(size_t count, Task task, void* context) override {
    for (size_t t = 1; t < threads(); ++t) {
      stacks[t].start([=, this] {
        take(t, count, task, context);
        done_.fetch_add(1);
        done_.notify_all();
        go.wait(false);
      });
    }
    take(0, count, task, context);
    for (size_t seen; (seen = done_.load()) != threads() - 1;) done_.wait(seen);
  }

  std::deque<Stack> stacks;
  std::atomic<bool> go{false};

 private:
  [[gnu::noinline]] void take(size_t thread, size_t count, Task task, void* context) {
    stacks[thread].top = static_cast<std::byte*>(__builtin_frame_address(0));
    for (size_t i; (i = next_.fetch_add(1)) < count;) task(context, i, thread);
  }

  std::atomic<size_t> next_{0}, done_{0};
};

class WipeStacks : public testing::TestWithParam<size_t> {};

TEST_P(WipeStacks, LeavesNothingOnAnyThreads) {
  OwnStacks parallel(GetParam());
  std::atomic<bool> is_wiped = false;
  parallel.stacks.front().start([&] {
    wipe_stacks(parallel);
    is_wiped = true;
    is_wiped.notify_all();
    parallel.go.wait(false);
  });
  is_wiped.wait(false);
  for (const Stack& stack : parallel.stacks) {
    ASSERT_GT(stack.below_top(), 2 * kStackBytes);
    constexpr size_t kWiped = kStackBytes - kFrames;
    EXPECT_EQ(stack.count(kFrames, kWiped, std::byte{0}), kWiped);
    // So that nothing but wiping has made it zero.
    const size_t rest = stack.below_top() - kStackBytes - kFrames;
    EXPECT_EQ(stack.count(kStackBytes + kFrames, rest, kOld), rest);
  }
  parallel.go = true;
  parallel.go.notify_all();
  for (const Stack& stack : parallel.stacks) stack.join();
}

INSTANTIATE_TEST_SUITE_P(Threads, WipeStacks, testing::Values(1, 2, 5));

}  // namespace
}  // namespace taoism::trusted
