#include "trusted/image.h"
#include "trusted/platform.h"

namespace taoism::trusted {
namespace {

// Reading the clock costs as much as a few looks at the counter.
constexpr int kLooksPerClock = 32;

// Returns when the counter is not `seen`.
void wait_for_change(uint32_t& counter, uint32_t seen, uint32_t& sleeping, uint64_t spin_ns) {
  const std::atomic_ref value(counter);
  if (spin_ns != 0) {
    const uint64_t start_ns = platform::monotonic_ns();
    do {
      for (int look = 0; look < kLooksPerClock; ++look) {
        if (value.load(std::memory_order_acquire) != seen) return;
        platform::pause();
      }
    } while (platform::monotonic_ns() - start_ns < spin_ns);
  }
  const std::atomic_ref asleep(sleeping);
  while (value.load(std::memory_order_acquire) == seen) {
    asleep.store(1, std::memory_order_seq_cst);
    if (value.load(std::memory_order_seq_cst) == seen) {
      platform::futex_wait(&counter, seen, true);
    }
    asleep.store(0, std::memory_order_relaxed);
  }
}

}  // namespace

void Image::serve(wire::Ring& untrusted_ring, ByteSpan untrusted_payload, uint64_t spin_ns) {
  for (uint32_t taken = 0;;) {
    wait_for_change(untrusted_ring.submitted, taken, untrusted_ring.worker_sleeping, spin_ns);
    const uint32_t entry = taken % wire::kRingEntries;
    const wire::Message message = untrusted_ring.submissions[entry];
    call(message, untrusted_payload, untrusted_ring.completions[entry]);
    ++taken;
    if (wire::publish(untrusted_ring.completed, taken, untrusted_ring.host_sleeping)) {
      platform::futex_wake(&untrusted_ring.completed, 1, true);
    }
    if (static_cast<wire::MessageType>(message.type) == wire::MessageType::shutdown) return;
    if (!dead_.ok()) return;
  }
}

}  // namespace taoism::trusted
