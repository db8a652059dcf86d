#include "wire/message.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

#include "wire/ring.h"
#include "wire/text.h"

namespace taoism::wire {
namespace {

TEST(Message, CarriesABodyWhole) {
  LoadProgram body{};
  body.program[31] = std::byte{7};
  body.sealed = {64, 128};
  body.sequence = 3;
  body.spill = {1 << 20, 5};
  const Message message = Message::of(MessageType::load_program, body);
  EXPECT_EQ(message.version, kProtocolVersion);
  EXPECT_EQ(message.type, static_cast<uint32_t>(MessageType::load_program));
  const auto back = message.as<LoadProgram>();
  EXPECT_EQ(back.program, body.program);
  EXPECT_EQ(back.sealed.bytes, 128U);
  EXPECT_EQ(back.spill.bytes, 5U);
}

// A body that a message cuts off or a reply forgets would be read as zeros by the other end.
TEST(Message, BodiesOfEveryTypeCrossWhole) {
  const auto crosses = [](auto body) {
    auto* bytes = reinterpret_cast<std::byte*>(&body);
    for (size_t i = 0; i < sizeof(body); ++i) bytes[i] = static_cast<std::byte>(i + 1);
    const auto back = Message::of(MessageType::ping, body).template as<decltype(body)>();
    return std::memcmp(&back, &body, sizeof(body)) == 0;
  };
  EXPECT_TRUE(crosses(OpenSession{}));
  EXPECT_TRUE(crosses(LoadProgram{}));
  EXPECT_TRUE(crosses(RunSegment{}));
  EXPECT_TRUE(crosses(CloseProgram{}));
}

TEST(Reply, CarriesABodyWhole) {
  OpenSessionReply body{};
  body.tee_public_key_xy[63] = std::byte{5};
  body.evidence_sha256[31] = std::byte{6};
  Reply reply;
  reply.set_body(body);
  EXPECT_EQ(reply.as<OpenSessionReply>().tee_public_key_xy, body.tee_public_key_xy);
  EXPECT_EQ(reply.as<OpenSessionReply>().evidence_sha256, body.evidence_sha256);
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
