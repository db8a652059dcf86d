#include "trusted/image.h"

#include <cmath>

#include <gtest/gtest.h>

#include "host.h"

namespace taoism::trusted {
namespace {

using attack::Floats;
using attack::Host;
using attack::large_sample;
using attack::Sample;
using attack::small_sample;
using attack::tight_budget;
using wire::Message;
using wire::MessageType;
using wire::Text;

void expect_near(const Floats& got, const Floats& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-4) << i;
}

void expect_right(Host& host, int seed) {
  const Floats inputs[] = {host.sample().input(0, seed), host.sample().input(1, seed + 1)};
  const auto want = host.sample().reference(inputs);
  for (uint32_t segment = 0; segment < 2; ++segment) {
    ASSERT_EQ(host.send(host.run_message(segment, inputs[segment])).code, Code::ok);
    for (size_t o = 0; o < want[segment].size(); ++o) expect_near(host.output(o), want[segment][o]);
  }
}

TEST(Image, RunsWhatWasLoaded) {
  Host host;
  host.load_everything();
  for (int run = 0; run < 3; ++run) expect_right(host, run);
}

// The same answers, bit for bit, in any memory that is enough.
TEST(Image, RunsInEveryBudget) {
  constexpr uint64_t kStep = 64 << 10;
  const Sample& sample = large_sample();
  const Floats x = sample.input(0, 1);
  const Floats y = sample.input(1, 2);
  Host roomy(sample);
  roomy.load_everything();
  expect_right(roomy, 1);
  const Floats want = roomy.run_all(x, y);
  for (uint64_t budget = tight_budget(); budget <= roomy.arena().size() + kStep; budget += kStep) {
    Host host(sample, budget);
    host.load_everything();
    for (int run = 0; run < 2; ++run) EXPECT_EQ(host.run_all(x, y), want) << budget;
    EXPECT_EQ(host.reply().peak_arena_bytes, host.schedule()->arena_bytes());
    EXPECT_LE(host.reply().peak_arena_bytes, budget);
    EXPECT_TRUE(host.guards_hold());
  }
}

TEST(Image, LessThanTheLeastIsRefusedAndTheSessionLives) {
  Host host(large_sample(), tight_budget() - (64 << 10));
  ASSERT_EQ(host.schedule(), nullptr);
  ASSERT_EQ(host.open_session().code, Code::ok);
  const auto refused = host.send(host.seal_program());
  EXPECT_EQ(refused.code, Code::resource_exhausted);
  EXPECT_EQ(refused.text, Text::arena_too_small);
  EXPECT_EQ(host.reply().peak_arena_bytes, 0U);
  EXPECT_EQ(host.send(Message::of(MessageType::ping)).code, Code::ok);
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
  const uint64_t needed = small_sample().schedule(0)->arena_bytes();
  EXPECT_EQ(host.arena().size(), needed);
  host.load_everything();
  EXPECT_EQ(host.reply().peak_arena_bytes, needed);
  expect_right(host, 1);
  EXPECT_EQ(host.reply().peak_arena_bytes, needed);
}

TEST(Image, OneByteLessIsRefusedAndTheSessionLives) {
  Host host(small_sample().schedule(0)->arena_bytes() - 1);
  ASSERT_EQ(host.open_session().code, Code::ok);
  const auto refused = host.send(host.seal_program());
  EXPECT_EQ(refused.code, Code::resource_exhausted);
  EXPECT_EQ(refused.text, Text::arena_too_small);
  EXPECT_EQ(host.reply().peak_arena_bytes, 0U);
  EXPECT_EQ(host.send(Message::of(MessageType::ping)).code, Code::ok);
}

TEST(Image, AClosedProgramGivesItsMemoryBack) {
  Host host;
  host.load_everything();
  expect_right(host, 1);
  EXPECT_EQ(host.send(host.close_program()).code, Code::ok);
  // The same program fits again, and its weights are opened again.
  EXPECT_EQ(host.send(host.seal_program()).code, Code::ok);
  expect_right(host, 2);
}

TEST(Image, AnswersTheSameForEverAfterAnIntegrityError) {
  Host host;
  host.load_everything();
  Message bad = host.seal_program();
  host.part(host.regions().sealed)[3] ^= std::byte{1};
  const auto first = host.send(bad);
  EXPECT_EQ(first.code, Code::integrity);
  EXPECT_EQ(first.text, Text::not_authentic);
  for (const Message& message :
       {Message::of(MessageType::ping), Message::of(MessageType::hello), host.seal_program(),
        host.run_message(0, host.sample().input(0, 1)), host.close_program()}) {
    EXPECT_EQ(host.send(message), first);
  }
}

TEST(Image, CountsTimesApart) {
  Host host(large_sample(), tight_budget());
  host.load_everything();
  ASSERT_EQ(host.send(host.run_message(0, host.sample().input(0, 1))).code, Code::ok);
  EXPECT_GT(host.reply().crypto_ns, 0U);
  EXPECT_GT(host.reply().transfer_ns, 0U);
  EXPECT_GT(host.reply().compute_ns, 0U);
}

}  // namespace
}  // namespace taoism::trusted
