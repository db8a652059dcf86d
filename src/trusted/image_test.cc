#include "trusted/image.h"

#include <cmath>

#include <gtest/gtest.h>

#include "host.h"

namespace taoism::trusted {
namespace {

using attack::Host;
using attack::small_input;
using attack::small_reference;
using wire::Message;
using wire::MessageType;
using wire::Text;

void expect_near(const std::vector<float>& got, const std::vector<float>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-5) << i;
}

TEST(Image, RunsWhatWasLoaded) {
  Host host;
  host.load_everything();
  for (int run = 0; run < 3; ++run) {
    const auto x = small_input(run);
    const auto y = small_input(run + 10);
    expect_near(host.run_all(x, y), small_reference(x, y));
  }
}

TEST(Image, SaysHelloWithItsBudget) {
  Host host(8192);
  EXPECT_EQ(host.send(Message::of(MessageType::hello)).code, Code::ok);
  const auto hello = host.reply().as<wire::HelloReply>();
  EXPECT_EQ(hello.version, wire::kProtocolVersion);
  EXPECT_EQ(hello.threads, 1U);
  EXPECT_EQ(hello.budget_bytes, 8192U);
}

TEST(Image, ExactlyEnoughMemoryIsEnoughAndIsThePeak) {
  Host host;
  const uint64_t needed = host.program().arena_bytes();
  host.load_everything();
  EXPECT_EQ(host.reply().peak_arena_bytes, needed);
  host.run_all(small_input(1), small_input(2));
  EXPECT_EQ(host.reply().peak_arena_bytes, needed);
}

TEST(Image, OneByteLessIsRefusedAndTheSessionLives) {
  const uint64_t needed = Host().program().arena_bytes();
  Host host(needed - 1);
  ASSERT_EQ(host.open_session().code, Code::ok);
  const auto refused = host.send(host.seal_program());
  EXPECT_EQ(refused.code, Code::resource_exhausted);
  EXPECT_EQ(refused.text, Text::arena_too_small);
  EXPECT_EQ(host.reply().peak_arena_bytes, 0U);
  EXPECT_EQ(host.send(Message::of(MessageType::ping)).code, Code::ok);
}

TEST(Image, WeightsMayComeInPiecesOfAnySize) {
  Host host;
  ASSERT_EQ(host.open_session().code, Code::ok);
  ASSERT_EQ(host.send(host.seal_program()).code, Code::ok);
  for (uint32_t w = 0; w < host.program().weights.size(); ++w) {
    const uint64_t total = host.program().weights[w].packed_bytes;
    for (uint64_t offset = 0; offset < total; offset += 100) {
      const uint64_t bytes = std::min<uint64_t>(100, total - offset);
      ASSERT_EQ(host.send(host.seal_weights(w, offset, bytes)).code, Code::ok);
    }
  }
  const auto x = small_input(5);
  expect_near(host.run_all(x, x), small_reference(x, x));
}

TEST(Image, AClosedProgramIsWipedAndItsMemoryFree) {
  Host host;
  host.load_everything();
  const auto x = small_input(1);
  host.run_all(x, x);
  EXPECT_EQ(host.send(host.close_program()).code, Code::ok);
  // The same program fits again: the memory came back.
  EXPECT_EQ(host.send(host.seal_program()).code, Code::ok);
}

TEST(Image, AnswersTheSameForEverAfterAnIntegrityError) {
  Host host;
  host.load_everything();
  Message bad = host.seal_program();
  host.payload()[3] ^= std::byte{1};
  const auto first = host.send(bad);
  EXPECT_EQ(first.code, Code::integrity);
  EXPECT_EQ(first.text, Text::not_authentic);
  const auto x = small_input(1);
  for (const Message& message :
       {Message::of(MessageType::ping), Message::of(MessageType::hello), host.seal_program(),
        host.run_message(0, {&x, 1}), host.close_program()}) {
    const auto again = host.send(message);
    EXPECT_EQ(again.code, first.code);
    EXPECT_EQ(again.text, first.text);
  }
}

}  // namespace
}  // namespace taoism::trusted
