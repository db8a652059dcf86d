#include "trusted/stacks.h"

#include <atomic>
#include <climits>

#include "base/bytes.h"
#include "trusted/platform.h"

namespace taoism::trusted {
namespace {

[[gnu::noinline]] void wipe_stack() {
  std::byte room[kStackBytes];
  secure_wipe(room, sizeof(room));
}

}  // namespace

void wipe_stacks(Parallel& parallel) {
  const auto threads = static_cast<uint32_t>(parallel.threads());
  uint32_t wiped = 0;
  parallel_for(parallel, threads, [&](size_t, size_t) {
    wipe_stack();
    const std::atomic_ref all(wiped);
    if (all.fetch_add(1) + 1 == threads) {
      platform::futex_wake(&wiped, INT_MAX, false);
      return;
    }
    // Who took another task would leave a thread without any.
    for (uint32_t seen; (seen = all.load()) != threads;) platform::futex_wait(&wiped, seen, false);
  });
}

}  // namespace taoism::trusted
