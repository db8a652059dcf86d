// A hostile host's messages: wrong types, sizes, offsets, indices and orders, and random ones. Each
// ends in the typed error that is named here or, where the change meant nothing, in the right
// answer; nothing is ever written outside what a message may name.
#include <algorithm>
#include <functional>
#include <map>
#include <random>

#include <gtest/gtest.h>

#include "host.h"

namespace taoism::attack {
namespace {

using wire::Message;
using wire::MessageType;
using wire::Text;

constexpr uint64_t kHuge = ~uint64_t{0};

// Memory around the payload must stay as it was: what lies outside the slots that a message names.
struct Case {
  const char* name;
  Code code;
  Text text;
  // Spoils the message or the list of slots of a run of segment 0 in a loaded TEE.
  std::function<void(Host&, wire::RunSegment&, std::span<wire::Range>)> spoil;
};

class RunAttack : public ::testing::TestWithParam<Case> {};

TEST_P(RunAttack, EndsTheSession) {
  Host host;
  host.load_everything();
  const auto x = small_input(1);
  const Message good = host.run_message(0, {&x, 1});
  auto request = good.as<wire::RunSegment>();
  const std::span slots(reinterpret_cast<wire::Range*>(host.payload().data()), 2);
  GetParam().spoil(host, request, slots);
  const std::vector<std::byte> before(host.payload().begin(), host.payload().end());

  const Outcome outcome = host.send(Message::of(MessageType::run_segment, request));
  EXPECT_EQ(outcome.code, GetParam().code);
  EXPECT_EQ(outcome.text, GetParam().text);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), host.payload().begin()))
      << "something was written";
  const Outcome after = host.send(good);
  EXPECT_EQ(after.code, outcome.code);
  EXPECT_EQ(after.text, outcome.text);
}

const Case kRunCases[] = {
    {"UnknownProgram", Code::policy, Text::program_unknown,
     [](Host&, auto& r, auto) { r.program[5] ^= std::byte{1}; }},
    {"UnknownSegment", Code::policy, Text::segment_unknown,
     [](Host&, auto& r, auto) { r.segment = 2; }},
    {"HugeSegment", Code::policy, Text::segment_unknown,
     [](Host&, auto& r, auto) { r.segment = ~0U; }},
    {"SegmentOutOfOrder", Code::policy, Text::segment_out_of_order,
     [](Host&, auto& r, auto) { r.segment = 1; }},
    {"ListOutside", Code::policy, Text::range_outside_payload,
     [](Host& h, auto& r, auto) { r.slots.offset = h.payload().size() - 31; }},
    {"ListBeyond", Code::policy, Text::range_outside_payload,
     [](Host& h, auto& r, auto) { r.slots.offset = h.payload().size() + 1; }},
    {"ListOverflows", Code::policy, Text::range_outside_payload,
     [](Host&, auto& r, auto) { r.slots.offset = kHuge - 8; }},
    {"ListHuge", Code::policy, Text::range_outside_payload,
     [](Host&, auto& r, auto) { r.slots.bytes = kHuge; }},
    {"ListTooShort", Code::policy, Text::slot_count_wrong,
     [](Host&, auto& r, auto) { r.slots.bytes -= 16; }},
    {"ListTooLong", Code::policy, Text::slot_count_wrong,
     [](Host&, auto& r, auto) { r.slots.bytes += 16; }},
    {"ListEmpty", Code::policy, Text::slot_count_wrong,
     [](Host&, auto& r, auto) { r.slots.bytes = 0; }},
    {"InputTooShort", Code::policy, Text::slot_bytes_wrong,
     [](Host&, auto&, auto slots) { slots[0].bytes -= 4; }},
    {"OutputTooLong", Code::policy, Text::slot_bytes_wrong,
     [](Host&, auto&, auto slots) { slots[1].bytes += 4; }},
    {"OutputOutside", Code::policy, Text::range_outside_payload,
     [](Host& h, auto&, auto slots) { slots[1].offset = h.payload().size() - slots[1].bytes + 1; }},
    {"InputOverflows", Code::policy, Text::range_outside_payload,
     [](Host&, auto&, auto slots) { slots[0].offset = kHuge - slots[0].bytes + 1; }},
    {"OutputOverInput", Code::policy, Text::slots_overlap,
     [](Host&, auto&, auto slots) { slots[1].offset = slots[0].offset + slots[0].bytes - 1; }},
    {"SameSlotTwice", Code::policy, Text::slots_overlap,
     [](Host&, auto&, auto slots) { slots[1] = slots[0]; }},
};

INSTANTIATE_TEST_SUITE_P(Cases, RunAttack, ::testing::ValuesIn(kRunCases),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(MessageAttack, UnknownTypesAndVersions) {
  for (const uint32_t type : {0U, 9U, 255U, ~0U}) {
    Host host;
    Message message;
    message.type = type;
    EXPECT_EQ(host.send(message).text, Text::unknown_message);
    EXPECT_EQ(host.send(Message::of(MessageType::ping)).code, Code::policy);
  }
  Host host;
  Message message = Message::of(MessageType::ping);
  message.version = wire::kProtocolVersion + 1;
  EXPECT_EQ(host.send(message).text, Text::wrong_version);
}

TEST(MessageAttack, NothingWorksWithoutASession) {
  EXPECT_EQ(Host().send(Message::of(MessageType::load_program, wire::LoadProgram{})).text,
            Text::no_session);
  EXPECT_EQ(Host().send(Message::of(MessageType::load_weights, wire::LoadWeights{})).text,
            Text::program_unknown);
  EXPECT_EQ(Host().send(Message::of(MessageType::run_segment, wire::RunSegment{})).text,
            Text::program_unknown);
  EXPECT_EQ(Host().send(Message::of(MessageType::close_program, wire::CloseProgram{})).text,
            Text::program_unknown);
}

TEST(MessageAttack, ASessionOpensOnceAndWithARealKey) {
  Host host;
  ASSERT_EQ(host.open_session().code, Code::ok);
  EXPECT_EQ(host.open_session().text, Text::session_exists);
  EXPECT_EQ(Host().send(Message::of(MessageType::open_session, wire::OpenSession{})).text,
            Text::bad_public_key);
}

TEST(MessageAttack, NothingRunsBeforeAllWeightsAreThere) {
  const auto x = small_input(1);
  for (uint32_t arrived = 0; arrived < Host().program().weights.size(); ++arrived) {
    Host host;
    ASSERT_EQ(host.open_session().code, Code::ok);
    ASSERT_EQ(host.send(host.seal_program()).code, Code::ok);
    for (uint32_t w = 0; w < arrived; ++w) {
      ASSERT_EQ(host.send(host.seal_weights(w, 0, host.program().weights[w].packed_bytes)).code,
                Code::ok);
    }
    const Outcome outcome = host.send(host.run_message(0, {&x, 1}));
    EXPECT_EQ(outcome.code, Code::policy);
    EXPECT_EQ(outcome.text, Text::weights_missing);
  }
}

TEST(MessageAttack, AClosedProgramIsGone) {
  Host host;
  host.load_everything();
  ASSERT_EQ(host.send(host.close_program()).code, Code::ok);
  const auto x = small_input(1);
  EXPECT_EQ(host.send(host.run_message(0, {&x, 1})).text, Text::program_unknown);
}

TEST(MessageAttack, ASegmentMayNotRunTwice) {
  Host host;
  host.load_everything();
  const auto x = small_input(1);
  host.run_all(x, x);
  EXPECT_EQ(host.send(host.run_message(1, {&x, 1})).text, Text::segment_out_of_order);
}

// Any bytes at all, as messages to a loaded TEE: right answer or typed error, and never a crash.
TEST(MessageAttack, RandomMessages) {
  std::mt19937_64 random(20240607);
  std::map<Code, int> outcomes;
  const auto x = small_input(1);
  const auto y = small_input(2);
  const auto want = small_reference(x, y);
  for (int round = 0; round < 300; ++round) {
    Host host;
    host.load_everything();
    for (int i = 0; i < 10; ++i) {
      // A good message with some bytes changed, and now and then the list of slots as well.
      Message message = host.run_message(0, {&x, 1});
      auto* bytes = reinterpret_cast<std::byte*>(&message);
      const size_t first_body_byte = random() % 4 == 0 ? 0 : offsetof(Message, body);
      for (uint64_t changes = 1 + random() % 3; changes > 0; --changes) {
        const size_t at = first_body_byte + random() % (sizeof(Message) - first_body_byte);
        bytes[at] ^= static_cast<std::byte>(1 + random() % 255);
      }
      if (random() % 2 == 0) host.payload()[random() % 32] ^= static_cast<std::byte>(random());
      const Outcome outcome = host.send(message);
      ++outcomes[outcome.code];
      ASSERT_TRUE(outcome.code == Code::ok || outcome.code == Code::policy ||
                  outcome.code == Code::integrity)
          << static_cast<int>(outcome.code);
      if (outcome.code != Code::ok) {
        EXPECT_EQ(host.send(Message::of(MessageType::ping)).code, outcome.code);
        break;
      }
    }
    if (host.send(Message::of(MessageType::ping)).code == Code::ok) {
      const auto got = host.run_all(x, y);
      for (size_t i = 0; i < want.size(); ++i) ASSERT_NEAR(got[i], want[i], 1e-5);
    }
  }
  for (const auto& [code, count] : outcomes) RecordProperty(code_name(code), count);
  EXPECT_GT(outcomes[Code::policy], 200);
}

}  // namespace
}  // namespace taoism::attack
