// A hostile host's messages: wrong types, sizes, offsets, indices and orders. Each ends in the
// typed error that is named here, and nothing is written. Random ones are in mutation_test.cc.
#include <algorithm>
#include <functional>

#include <gtest/gtest.h>

#include "tally.h"

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
  const Message good = host.run_message(0, host.sample().input(0, 1));
  auto request = good.as<wire::RunSegment>();
  const std::span slots(reinterpret_cast<wire::Range*>(host.part(host.regions().list).data()), 2);
  GetParam().spoil(host, request, slots);
  const std::vector<std::byte> before(host.payload().begin(), host.payload().end());

  const Outcome outcome = host.send(Message::of(MessageType::run_segment, request));
  EXPECT_EQ(outcome.code, GetParam().code);
  EXPECT_EQ(outcome.text, GetParam().text);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), host.payload().begin()))
      << "something was written";
  EXPECT_TRUE(host.guards_hold());
  tally(outcome);
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
  for (const uint32_t version : {0U, wire::kProtocolVersion - 1, wire::kProtocolVersion + 1}) {
    Host host;
    Message message = Message::of(MessageType::ping);
    message.version = version;
    EXPECT_EQ(host.send(message).text, Text::wrong_version);
  }
}

TEST(MessageAttack, NothingWorksWithoutASession) {
  EXPECT_EQ(Host().send(Message::of(MessageType::load_program, wire::LoadProgram{})).text,
            Text::no_session);
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

TEST(MessageAttack, NothingRunsBeforeAProgramIsThere) {
  Host host;
  ASSERT_EQ(host.open_session().code, Code::ok);
  EXPECT_EQ(host.send(host.run_message(0, host.sample().input(0, 1))).text, Text::program_unknown);
}

TEST(MessageAttack, AClosedProgramIsGone) {
  Host host;
  host.load_everything();
  ASSERT_EQ(host.send(host.close_program()).code, Code::ok);
  EXPECT_EQ(host.send(host.run_message(0, host.sample().input(0, 1))).text, Text::program_unknown);
}

TEST(MessageAttack, ASegmentMayNotRunTwice) {
  Host host;
  host.load_everything();
  host.run_all(host.sample().input(0, 1), host.sample().input(1, 1));
  EXPECT_EQ(host.send(host.run_message(1, host.sample().input(1, 1))).text,
            Text::segment_out_of_order);
}

TEST(MessageAttack, AProgramMayNotBeLoadedTwice) {
  Host host;
  host.load_everything();
  EXPECT_EQ(host.send(host.seal_program()).text, Text::program_exists);
}

// The store and the spill area have the sizes that the program and the budget give, and lie in the
// payload.
struct RangeCase {
  const char* name;
  Text text;
  std::function<void(Host&, wire::LoadProgram&)> spoil;
};

class StoreRange : public ::testing::TestWithParam<RangeCase> {};

TEST_P(StoreRange, EndsTheSession) {
  Host host(large_sample(), tight_budget());
  ASSERT_EQ(host.open_session().code, Code::ok);
  host.put_weights();
  auto request = host.seal_program().as<wire::LoadProgram>();
  GetParam().spoil(host, request);
  const Outcome outcome = host.send(Message::of(MessageType::load_program, request));
  EXPECT_EQ(outcome, (Outcome{Code::policy, GetParam().text}));
  EXPECT_EQ(host.reply().peak_arena_bytes, 0U);
  EXPECT_EQ(host.send(Message::of(MessageType::ping)), outcome);
  tally(outcome);
}

const RangeCase kRangeCases[] = {
    {"WeightsTooShort", Text::store_bytes_wrong, [](Host&, auto& r) { --r.weights.bytes; }},
    {"WeightsTooLong", Text::store_bytes_wrong, [](Host&, auto& r) { ++r.weights.bytes; }},
    {"NoWeights", Text::store_bytes_wrong, [](Host&, auto& r) { r.weights = {}; }},
    {"SpillTooShort", Text::store_bytes_wrong, [](Host&, auto& r) { --r.spill.bytes; }},
    {"NoSpill", Text::store_bytes_wrong, [](Host&, auto& r) { r.spill = {}; }},
    {"TheTwoSwapped", Text::store_bytes_wrong,
     [](Host&, auto& r) { std::swap(r.spill, r.weights); }},
    {"WeightsOutside", Text::range_outside_payload,
     [](Host& h, auto& r) { r.weights.offset = h.payload().size() - r.weights.bytes + 1; }},
    {"WeightsBeyond", Text::range_outside_payload,
     [](Host& h, auto& r) { r.weights.offset = h.payload().size() + 1; }},
    {"WeightsOverflow", Text::range_outside_payload,
     [](Host&, auto& r) { r.weights.offset = kHuge - r.weights.bytes + 1; }},
    {"WeightsHuge", Text::range_outside_payload, [](Host&, auto& r) { r.weights.bytes = kHuge; }},
    {"SpillOutside", Text::range_outside_payload,
     [](Host& h, auto& r) { r.spill.offset = h.payload().size() - r.spill.bytes + 1; }},
    {"SpillBeyond", Text::range_outside_payload,
     [](Host& h, auto& r) { r.spill.offset = h.payload().size() + 1; }},
    {"SpillOverflows", Text::range_outside_payload,
     [](Host&, auto& r) { r.spill.offset = kHuge - r.spill.bytes + 1; }},
    {"SpillHuge", Text::range_outside_payload, [](Host&, auto& r) { r.spill.bytes = kHuge; }},
};

INSTANTIATE_TEST_SUITE_P(Cases, StoreRange, ::testing::ValuesIn(kRangeCases),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(MessageAttack, OverlappingAreas) {
  const auto load = [](const std::function<void(wire::LoadProgram&)>& move) {
    Host host(large_sample(), tight_budget());
    EXPECT_EQ(host.open_session().code, Code::ok);
    host.put_weights();
    auto request = host.seal_program().as<wire::LoadProgram>();
    move(request);
    const Outcome outcome = host.send(Message::of(MessageType::load_program, request));
    EXPECT_TRUE(host.guards_hold());
    tally(outcome);
    return outcome;
  };
  const Outcome refused{Code::policy, Text::slots_overlap};
  EXPECT_EQ(load([](auto& r) { r.spill.offset = r.weights.offset; }), refused);
  EXPECT_EQ(load([](auto& r) { r.weights.offset = r.spill.offset; }), refused);
}

TEST(MessageAttack, AnOutputOverWhatIsKeptOutside) {
  for (const bool over_weights : {true, false}) {
    Host host(large_sample(), tight_budget());
    host.load_everything();
    const Message good = host.run_message(0, host.sample().input(0, 1));
    const auto request = good.as<wire::RunSegment>();
    auto* slots = reinterpret_cast<wire::Range*>(host.payload().data() + request.slots.offset);
    const size_t last = request.slots.bytes / sizeof(wire::Range) - 1;
    slots[last].offset = over_weights ? host.regions().weights.offset : host.regions().spill.offset;
    const Outcome outcome = host.send(good);
    EXPECT_EQ(outcome, (Outcome{Code::policy, Text::slots_overlap})) << over_weights;
    tally(outcome);
  }
}

}  // namespace
}  // namespace taoism::attack
