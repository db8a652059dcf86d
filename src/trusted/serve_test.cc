// serve() against a host end on another thread, so that the thread sanitizer sees both ends of the
// ring.
#include <thread>

#include <gtest/gtest.h>

#include "trusted/image.h"
#include "trusted/platform.h"

namespace taoism::trusted {
namespace {

using wire::Message;
using wire::MessageType;

class ServeTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  ServeTest() : server_([this] { image_.serve(ring_, {}, GetParam()); }) {}
  ~ServeTest() override {
    post(Message::of(MessageType::shutdown));
    server_.join();
  }

  void post(const Message& message) {
    ring_.submissions[posted_ % wire::kRingEntries] = message;
    ++posted_;
    if (wire::publish(ring_.submitted, posted_, ring_.worker_sleeping)) {
      platform::futex_wake(&ring_.submitted, 1, true);
    }
  }
  wire::Reply collect() {
    const std::atomic_ref completed(ring_.completed);
    const std::atomic_ref asleep(ring_.host_sleeping);
    while (completed.load(std::memory_order_acquire) == collected_) {
      asleep.store(1, std::memory_order_seq_cst);
      if (completed.load(std::memory_order_seq_cst) == collected_) {
        platform::futex_wait(&ring_.completed, collected_, true);
      }
      asleep.store(0, std::memory_order_relaxed);
    }
    return ring_.completions[collected_++ % wire::kRingEntries];
  }

  SerialParallel parallel_;
  Image image_{ByteSpan(), parallel_};
  wire::Ring ring_;
  uint32_t posted_ = 0;
  uint32_t collected_ = 0;
  std::thread server_;
};

TEST_P(ServeTest, AnswersEachMessageOnceAndInOrder) {
  for (int round = 0; round < 2000; ++round) {
    post(Message::of(MessageType::ping));
    EXPECT_EQ(collect().code, 0U);
  }
}

TEST_P(ServeTest, TakesAFullRing) {
  for (int round = 0; round < 200; ++round) {
    for (uint32_t i = 0; i < wire::kRingEntries; ++i) post(Message::of(MessageType::hello));
    for (uint32_t i = 0; i < wire::kRingEntries; ++i) {
      EXPECT_EQ(collect().as<wire::HelloReply>().version, wire::kProtocolVersion);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(SpinsOrSleeps, ServeTest, ::testing::Values(0, 50'000));

}  // namespace
}  // namespace taoism::trusted
