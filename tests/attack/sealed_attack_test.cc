// A hostile host and the sealed program: every flipped, cut, swapped, replayed or reordered byte is
// found, ends the session, and nothing runs.
#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "crypto/hash.h"
#include "tally.h"

namespace taoism::attack {
namespace {

using wire::Message;
using wire::MessageType;
using wire::Text;

void expect_dead(Host& host, const Outcome& outcome, Text text) {
  tally(outcome);
  EXPECT_EQ(outcome, (Outcome{Code::integrity, text}));
  EXPECT_EQ(host.send(host.run_message(0, host.sample().input(0, 1))).code, Code::integrity);
  EXPECT_EQ(host.send(Message::of(MessageType::ping)).text, text);
}

std::unique_ptr<Host> opened_host() {
  auto host = std::make_unique<Host>();
  TAOISM_CHECK(host->open_session().code == Code::ok);
  host->put_weights();
  return host;
}

TEST(SealedAttack, EveryByteOfTheProgramIsAuthenticated) {
  std::mt19937 random(1);
  const size_t sealed_bytes = Host().regions().sealed.bytes;
  for (size_t at = 0; at < sealed_bytes; ++at) {
    const auto host = opened_host();
    const Message message = host->seal_program();
    host->part(host->regions().sealed)[at] ^= static_cast<std::byte>(1U << (random() % 8));
    const Outcome outcome = host->send(message);
    ASSERT_EQ(outcome, (Outcome{Code::integrity, Text::not_authentic})) << at;
    ASSERT_EQ(host->reply().peak_arena_bytes, 0U);
    tally(outcome);
  }
}

TEST(SealedAttack, EveryFieldOfALoadMessageCounts) {
  for (size_t at = 0; at < sizeof(wire::LoadProgram); ++at) {
    // Another place is no other size; what is there then is found when it is used.
    const bool is_place = (at >= offsetof(wire::LoadProgram, weights) &&
                           at < offsetof(wire::LoadProgram, weights) + sizeof(uint64_t)) ||
                          (at >= offsetof(wire::LoadProgram, spill) &&
                           at < offsetof(wire::LoadProgram, spill) + sizeof(uint64_t));
    const auto host = opened_host();
    Message message = host->seal_program();
    message.body[at] ^= std::byte{0x10};
    const Outcome outcome = host->send(message);
    tally(outcome);
    EXPECT_TRUE(outcome.code == Code::integrity || outcome.code == Code::policy || is_place) << at;
  }
}

TEST(SealedAttack, TruncationsAndExtensions) {
  const size_t full = Host().regions().sealed.bytes;
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{15}, size_t{16}, size_t{17}, full / 2,
                             full - 16, full - 1, full + 1, full + 16}) {
    const auto host = opened_host();
    auto request = host->seal_program().as<wire::LoadProgram>();
    request.sealed.bytes = bytes;
    const Outcome outcome = host->send(Message::of(MessageType::load_program, request));
    expect_dead(*host, outcome, bytes < 16 ? Text::sealed_too_short : Text::not_authentic);
  }
}

TEST(SealedAttack, AProgramLargerThanAny) {
  const auto host = opened_host();
  std::vector<std::byte> payload(trusted::kMaxProgramBytes + crypto::kTagBytes + 1);
  wire::LoadProgram request{};
  request.sealed = {0, payload.size()};
  wire::Reply reply;
  host->image().call(Message::of(MessageType::load_program, request), payload, reply);
  EXPECT_EQ(reply.text, static_cast<uint32_t>(Text::sealed_too_long));
}

TEST(SealedAttack, RangesOutsideThePayload) {
  const uint64_t payload = Host().payload().size();
  for (const wire::Range& sealed :
       {wire::Range{payload, 16}, wire::Range{payload - 15, 16}, wire::Range{~uint64_t{0}, 16},
        wire::Range{~uint64_t{0} - 15, 16}, wire::Range{0, payload + 1},
        wire::Range{16, ~uint64_t{0}}, wire::Range{16, ~uint64_t{0} - 15}}) {
    const auto host = opened_host();
    auto program = host->seal_program().as<wire::LoadProgram>();
    program.sealed = sealed;
    const Outcome outcome = host->send(Message::of(MessageType::load_program, program));
    EXPECT_EQ(outcome, (Outcome{Code::policy, Text::range_outside_payload}));
    tally(outcome);
  }
}

TEST(SealedAttack, AReplayedProgram) {
  const auto host = opened_host();
  const Message message = host->seal_program();
  ASSERT_EQ(host->send(message).code, Code::ok);
  expect_dead(*host, host->send(message), Text::out_of_sequence);
}

TEST(SealedAttack, AReplayedProgramWithTheNextNumber) {
  const auto host = opened_host();
  const Message message = host->seal_program();
  ASSERT_EQ(host->send(message).code, Code::ok);
  auto request = message.as<wire::LoadProgram>();
  ++request.sequence;
  expect_dead(*host, host->send(Message::of(MessageType::load_program, request)),
              Text::not_authentic);
}

TEST(SealedAttack, AClosedProgramIsNotReplayed) {
  const auto host = opened_host();
  const Message message = host->seal_program();
  ASSERT_EQ(host->send(message).code, Code::ok);
  ASSERT_EQ(host->send(host->close_program()).code, Code::ok);
  expect_dead(*host, host->send(message), Text::out_of_sequence);
}

TEST(SealedAttack, ADroppedProgram) {
  const auto host = opened_host();
  host->seal_program();
  expect_dead(*host, host->send(host->seal_program()), Text::out_of_sequence);
}

TEST(SealedAttack, ASessionsSealedBytesAreNoOtherSessions) {
  const auto one = opened_host();
  const auto two = opened_host();
  const Message message = one->seal_program();
  std::ranges::copy(one->payload(), two->payload().begin());
  expect_dead(*two, two->send(message), Text::not_authentic);
}

TEST(SealedAttack, AProgramUnderTheNameOfAnother) {
  const auto host = opened_host();
  std::vector<std::byte> plain(sizeof(store::StoreHeader));
  plain.insert(plain.end(), host->sample().encoded().begin(), host->sample().encoded().end());
  wire::ProgramId id = host->id();
  id[31] ^= std::byte{1};
  expect_dead(*host, host->send(host->seal_plain(plain, id)), Text::program_id_mismatch);
}

TEST(SealedAttack, TooShortForAHeader) {
  for (const size_t bytes : {size_t{0}, size_t{1}, sizeof(store::StoreHeader) - 1}) {
    const auto host = opened_host();
    const std::vector<std::byte> plain(bytes);
    expect_dead(*host, host->send(host->seal_plain(plain, host->id())), Text::program_invalid);
  }
}

// An owner who seals, as it should be sealed, what is no sound program: refused or run as what it
// is, and never more than a typed error. Nobody checked that owner's key.
TEST(SealedAttack, AHostileOwnersProgram) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 4000; ++round) {
    const Sample& sample = round % 4 == 0 ? large_sample() : small_sample();
    Host host(sample, round % 4 == 0 ? tight_budget() : 0);
    ASSERT_EQ(host.open_session().code, Code::ok);
    const ConstByteSpan head = object_bytes(sample.header());
    std::vector<std::byte> encoded = sample.encoded();
    for (uint64_t changes = 1 + random() % 4; changes > 0; --changes) {
      std::byte& at = encoded[random() % encoded.size()];
      at = random() % 2 == 0 ? static_cast<std::byte>(random())
                             : at ^ static_cast<std::byte>(1U << (random() % 8));
    }
    std::vector<std::byte> plain(head.begin(), head.end());
    plain.insert(plain.end(), encoded.begin(), encoded.end());
    const auto id = crypto::sha256(encoded).value();
    const Outcome outcome = host.send(host.seal_plain(plain, id));
    ASSERT_TRUE(outcome.code == Code::ok || outcome.code == Code::integrity ||
                outcome.code == Code::policy || outcome.code == Code::resource_exhausted ||
                outcome.code == Code::unsupported)
        << round;
    ASSERT_TRUE(host.guards_hold());
    tally(outcome.code == Code::ok ? "accepted: an owner's other program" : outcome_name(outcome));
  }
}

}  // namespace
}  // namespace taoism::attack
