#include "device/thread_pool.h"

#include <gtest/gtest.h>

#include <chrono>
#include <numeric>

namespace taoism::device {
namespace {

TEST(ThreadPool, RunsEveryIndexOnceOnItsOwnThread) {
  for (size_t threads : {1U, 2U, 4U}) {
    ThreadPool pool(threads);
    ASSERT_EQ(pool.threads(), threads);
    for (size_t count : {0U, 1U, 2U, 7U, 1000U}) {
      std::vector<std::atomic<int>> hits(count);
      std::atomic<bool> bad_thread = false;
      parallel_for(pool, count, [&](size_t i, size_t t) {
        ++hits[i];
        if (t >= threads) bad_thread = true;
      });
      EXPECT_FALSE(bad_thread);
      for (auto& hit : hits) EXPECT_EQ(hit, 1);
    }
  }
}

TEST(ThreadPool, WakesAfterSleeping) {
  ThreadPool pool(3);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::atomic<int> sum = 0;
    parallel_for(pool, 100, [&](size_t i, size_t) { sum += static_cast<int>(i); });
    EXPECT_EQ(sum, 4950);
  }
}

}  // namespace
}  // namespace taoism::device
