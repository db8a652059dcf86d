// Trusted code does not allocate while it runs: from the second run of a program on, no thread asks
// the heap for anything, neither by operator new nor by malloc, nor does the crypto provider for
// it.
#include <atomic>
#include <cstdlib>

#include <execinfo.h>
#include <gtest/gtest.h>

#include "host.h"
#include "worker_pool.h"

namespace {

std::atomic<bool> is_counting{false};
std::atomic<int> allocations{0};

constexpr int kTraced = 3;

// The first ones say where they come from, for addr2line.
void count() {
  if (!is_counting.load(std::memory_order_relaxed)) return;
  if (allocations.fetch_add(1) >= kTraced) return;
  is_counting = false;
  void* frames[16];
  backtrace_symbols_fd(frames, backtrace(frames, 16), 2);
  is_counting = true;
}

}  // namespace

// What the executable defines is called by all it is linked to, shared libraries too.
#define TAOISM_EXPORTED extern "C" [[gnu::visibility("default")]]
extern "C" {  // NOLINTBEGIN: glibc's names
void* __libc_malloc(size_t bytes);
void* __libc_calloc(size_t count, size_t bytes);
void* __libc_realloc(void* block, size_t bytes);
void* __libc_memalign(size_t alignment, size_t bytes);
}  // NOLINTEND
TAOISM_EXPORTED void* malloc(size_t bytes) { return count(), __libc_malloc(bytes); }
TAOISM_EXPORTED void* calloc(size_t n, size_t bytes) { return count(), __libc_calloc(n, bytes); }
TAOISM_EXPORTED void* realloc(void* block, size_t bytes) {
  return count(), __libc_realloc(block, bytes);
}
TAOISM_EXPORTED void* aligned_alloc(size_t alignment, size_t bytes) {
  return count(), __libc_memalign(alignment, bytes);
}

namespace taoism::attack {
namespace {

struct Case {
  const char* name;
  bool is_tight;  // streams weights, spills and works in bands
  size_t threads;
};

class NoAllocation : public ::testing::TestWithParam<Case> {};

TEST_P(NoAllocation, AfterTheFirstRun) {
  const auto [name, is_tight, threads] = GetParam();
  image::WorkerPool pool(threads, /*spin=*/false);
  Host host(large_sample(), is_tight ? tight_budget(threads) : 0, &pool);
  ASSERT_EQ(host.schedule()->streamed_bytes != 0 && host.schedule()->spilled_bytes != 0, is_tight);
  host.load_everything();
  for (int run = 0; run < 3; ++run) {
    for (uint32_t segment = 0; segment < 2; ++segment) {
      const wire::Message message = host.run_message(segment, large_sample().input(segment, run));
      allocations = 0;
      is_counting = run != 0;
      const Outcome outcome = host.send(message);
      is_counting = false;
      EXPECT_EQ(outcome, Outcome{});
      EXPECT_EQ(allocations, 0) << "in run " << run << " of segment " << segment;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Budgets, NoAllocation,
                         ::testing::Values(Case{"roomy", false, 1}, Case{"tight", true, 1},
                                           Case{"tight_two_threads", true, 2}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(NoAllocation, IsNoticed) {
  allocations = kTraced;
  is_counting = true;
  void* volatile block = std::malloc(8);
  auto* volatile object = new std::array<int, 8>;
  is_counting = false;
  EXPECT_EQ(allocations, kTraced + 2);
  delete object;
  std::free(block);
}

}  // namespace
}  // namespace taoism::attack
