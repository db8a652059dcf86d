#include "wire/message.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

#include "wire/ring.h"
#include "wire/text.h"

namespace taoism::wire {
namespace {

TEST(Message, CarriesABodyWhole) {
  LoadWeights body{};
  body.program[31] = std::byte{7};
  body.sealed = {64, 128};
  body.sequence = 3;
  body.offset = 1 << 20;
  body.weight = 5;
  const Message message = Message::of(MessageType::load_weights, body);
  EXPECT_EQ(message.version, kProtocolVersion);
  EXPECT_EQ(message.type, static_cast<uint32_t>(MessageType::load_weights));
  const auto back = message.as<LoadWeights>();
  EXPECT_EQ(back.program, body.program);
  EXPECT_EQ(back.sealed.bytes, 128U);
  EXPECT_EQ(back.weight, 5U);
}

TEST(Text, EveryNumberHasItsOwnAndStrangersHaveNone) {
  std::set<std::string> seen;
  for (uint32_t i = 0; i < kTextCount; ++i) {
    EXPECT_TRUE(seen.insert(text(static_cast<Text>(i))).second) << i;
  }
  EXPECT_STREQ(text(static_cast<Text>(kTextCount)), "unknown");
  EXPECT_STREQ(text(static_cast<Text>(~0U)), "unknown");
}

TEST(Ring, AWriterSeesASleeper) {
  Ring ring;
  EXPECT_FALSE(publish(ring.submitted, 1, ring.worker_sleeping));
  ring.worker_sleeping = 1;
  EXPECT_TRUE(publish(ring.submitted, 2, ring.worker_sleeping));
  EXPECT_EQ(ring.submitted, 2U);
}

}  // namespace
}  // namespace taoism::wire
