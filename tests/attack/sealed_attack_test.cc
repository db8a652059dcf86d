// A hostile host and what the owner sealed: every flipped, cut, swapped, replayed or reordered byte
// of the program and of the weights is found, ends the session, and nothing runs.
#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "host.h"

namespace taoism::attack {
namespace {

using wire::Message;
using wire::MessageType;
using wire::Text;

void expect_dead(Host& host, const Outcome& outcome, Text text) {
  EXPECT_EQ(outcome.code, Code::integrity);
  EXPECT_EQ(outcome.text, text);
  const auto x = small_input(1);
  EXPECT_EQ(host.send(host.run_message(0, {&x, 1})).code, Code::integrity);
  EXPECT_EQ(host.send(Message::of(MessageType::ping)).text, text);
}

TEST(SealedAttack, EveryByteOfTheProgramIsAuthenticated) {
  std::mt19937 random(1);
  const size_t sealed_bytes = [] {
    Host host;
    EXPECT_EQ(host.open_session().code, Code::ok);
    return host.seal_program().as<wire::LoadProgram>().sealed.bytes;
  }();
  for (size_t at = 0; at < sealed_bytes; ++at) {
    Host host;
    ASSERT_EQ(host.open_session().code, Code::ok);
    const Message message = host.seal_program();
    host.payload()[at] ^= static_cast<std::byte>(1U << (random() % 8));
    const Outcome outcome = host.send(message);
    ASSERT_EQ(outcome.code, Code::integrity) << at;
    ASSERT_EQ(outcome.text, Text::not_authentic) << at;
    ASSERT_EQ(host.reply().peak_arena_bytes, 0U);
  }
}

TEST(SealedAttack, EveryByteOfTheWeightsIsAuthenticated) {
  std::mt19937 random(2);
  const uint32_t weights = static_cast<uint32_t>(Host().program().weights.size());
  for (uint32_t w = 0; w < weights; ++w) {
    const size_t bytes = Host().program().weights[w].packed_bytes + crypto::kTagBytes;
    const size_t step = std::max<size_t>(1, bytes / 1000);
    for (size_t at = 0; at < bytes; at += step) {
      Host host;
      ASSERT_EQ(host.open_session().code, Code::ok);
      ASSERT_EQ(host.send(host.seal_program()).code, Code::ok);
      for (uint32_t before = 0; before < w; ++before) {
        ASSERT_EQ(
            host.send(host.seal_weights(before, 0, host.program().weights[before].packed_bytes))
                .code,
            Code::ok);
      }
      const Message message = host.seal_weights(w, 0, host.program().weights[w].packed_bytes);
      host.payload()[at] ^= static_cast<std::byte>(1U << (random() % 8));
      const Outcome outcome = host.send(message);
      ASSERT_EQ(outcome.code, Code::integrity) << at;
      ASSERT_EQ(outcome.text, Text::not_authentic) << at;
    }
  }
}

TEST(SealedAttack, EveryFieldOfALoadMessageIsAuthenticated) {
  for (size_t at = 0; at < sizeof(wire::LoadProgram); ++at) {
    Host host;
    ASSERT_EQ(host.open_session().code, Code::ok);
    Message message = host.seal_program();
    message.body[at] ^= std::byte{0x10};
    const Outcome outcome = host.send(message);
    EXPECT_TRUE(outcome.code == Code::integrity || outcome.code == Code::policy) << at;
  }
  for (size_t at = 0; at < offsetof(wire::LoadWeights, unused); ++at) {
    Host host;
    ASSERT_EQ(host.open_session().code, Code::ok);
    ASSERT_EQ(host.send(host.seal_program()).code, Code::ok);
    Message message = host.seal_weights(0, 0, host.program().weights[0].packed_bytes);
    message.body[at] ^= std::byte{0x10};
    const Outcome outcome = host.send(message);
    EXPECT_TRUE(outcome.code == Code::integrity || outcome.code == Code::policy) << at;
  }
}

TEST(SealedAttack, TruncationsAndExtensions) {
  const size_t full = [] {
    Host host;
    EXPECT_EQ(host.open_session().code, Code::ok);
    return host.seal_program().as<wire::LoadProgram>().sealed.bytes;
  }();
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{15}, size_t{16}, size_t{17}, full / 2,
                             full - 16, full - 1, full + 1, full + 16}) {
    Host host;
    ASSERT_EQ(host.open_session().code, Code::ok);
    auto request = host.seal_program().as<wire::LoadProgram>();
    request.sealed.bytes = bytes;
    const Outcome outcome = host.send(Message::of(MessageType::load_program, request));
    expect_dead(host, outcome, bytes < 16 ? Text::sealed_too_short : Text::not_authentic);
  }
}

TEST(SealedAttack, RangesOutsideThePayload) {
  const uint64_t payload = Host().payload().size();
  for (const wire::Range& sealed :
       {wire::Range{payload, 16}, wire::Range{payload - 15, 16}, wire::Range{~uint64_t{0}, 16},
        wire::Range{~uint64_t{0} - 15, 16}, wire::Range{0, payload + 1},
        wire::Range{16, ~uint64_t{0}}, wire::Range{16, ~uint64_t{0} - 15}}) {
    Host host;
    ASSERT_EQ(host.open_session().code, Code::ok);
    auto program = host.seal_program().as<wire::LoadProgram>();
    program.sealed = sealed;
    EXPECT_EQ(host.send(Message::of(MessageType::load_program, program)).text,
              Text::range_outside_payload);
    Host loaded;
    ASSERT_EQ(loaded.open_session().code, Code::ok);
    ASSERT_EQ(loaded.send(loaded.seal_program()).code, Code::ok);
    auto weights = loaded.seal_weights(0, 0, 64).as<wire::LoadWeights>();
    weights.sealed = sealed;
    EXPECT_EQ(loaded.send(Message::of(MessageType::load_weights, weights)).text,
              Text::range_outside_payload);
  }
}

TEST(SealedAttack, AReplayedProgram) {
  Host host;
  ASSERT_EQ(host.open_session().code, Code::ok);
  const Message message = host.seal_program();
  ASSERT_EQ(host.send(message).code, Code::ok);
  expect_dead(host, host.send(message), Text::out_of_sequence);
}

TEST(SealedAttack, AReplayedProgramWithTheNextNumber) {
  Host host;
  ASSERT_EQ(host.open_session().code, Code::ok);
  const Message message = host.seal_program();
  ASSERT_EQ(host.send(message).code, Code::ok);
  auto request = message.as<wire::LoadProgram>();
  ++request.sequence;
  expect_dead(host, host.send(Message::of(MessageType::load_program, request)),
              Text::not_authentic);
}

TEST(SealedAttack, APieceOfWeightTwice) {
  Host host;
  ASSERT_EQ(host.open_session().code, Code::ok);
  ASSERT_EQ(host.send(host.seal_program()).code, Code::ok);
  const Message piece = host.seal_weights(0, 0, 64);
  ASSERT_EQ(host.send(piece).code, Code::ok);
  expect_dead(host, host.send(piece), Text::weights_out_of_order);
}

TEST(SealedAttack, PiecesOfWeightSwapped) {
  Host host;
  ASSERT_EQ(host.open_session().code, Code::ok);
  ASSERT_EQ(host.send(host.seal_program()).code, Code::ok);
  host.seal_weights(0, 0, 64, 0);
  const Message second = host.seal_weights(0, 64, 64, 4096);
  expect_dead(host, host.send(second), Text::weights_out_of_order);

  // And with the headers made to look right: the numbers, then the places.
  Host other;
  ASSERT_EQ(other.open_session().code, Code::ok);
  ASSERT_EQ(other.send(other.seal_program()).code, Code::ok);
  auto a = other.seal_weights(0, 0, 64, 0).as<wire::LoadWeights>();
  const auto b = other.seal_weights(0, 64, 64, 4096).as<wire::LoadWeights>();
  a.sealed = b.sealed;
  expect_dead(other, other.send(Message::of(MessageType::load_weights, a)), Text::not_authentic);
}

TEST(SealedAttack, ADroppedPiece) {
  Host host;
  ASSERT_EQ(host.open_session().code, Code::ok);
  ASSERT_EQ(host.send(host.seal_program()).code, Code::ok);
  host.seal_weights(0, 0, 64);
  // The owner sealed two; the host passes on the second as if it were the first.
  auto second = host.seal_weights(0, 64, 64).as<wire::LoadWeights>();
  second.offset = 0;
  expect_dead(host, host.send(Message::of(MessageType::load_weights, second)),
              Text::out_of_sequence);
}

TEST(SealedAttack, MoreWeightThanThereIs) {
  Host host;
  host.load_everything();
  expect_dead(host, host.send(host.seal_weights(0, 0, 64)), Text::weights_complete);

  Host other;
  ASSERT_EQ(other.open_session().code, Code::ok);
  ASSERT_EQ(other.send(other.seal_program()).code, Code::ok);
  auto piece = other.seal_weights(0, 0, 64).as<wire::LoadWeights>();
  piece.sealed.bytes = other.program().weights[0].packed_bytes + 1 + crypto::kTagBytes;
  expect_dead(other, other.send(Message::of(MessageType::load_weights, piece)),
              Text::weights_overrun);
}

TEST(SealedAttack, ASessionsSealedBytesAreNoOtherSessions) {
  Host one;
  Host two;
  ASSERT_EQ(one.open_session().code, Code::ok);
  ASSERT_EQ(two.open_session().code, Code::ok);
  const Message message = one.seal_program();
  std::copy(one.payload().begin(), one.payload().end(), two.payload().begin());
  expect_dead(two, two.send(message), Text::not_authentic);
}

TEST(SealedAttack, RandomMutationsOfALoad) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 3000; ++round) {
    Host host;
    ASSERT_EQ(host.open_session().code, Code::ok);
    Message message = host.seal_program();
    if (random() % 2 == 0) {
      ASSERT_EQ(host.send(message).code, Code::ok);
      message = host.seal_weights(0, 0, host.program().weights[0].packed_bytes);
    }
    const bool is_program = message.type == static_cast<uint32_t>(MessageType::load_program);
    const wire::Range sealed = is_program ? message.as<wire::LoadProgram>().sealed
                                          : message.as<wire::LoadWeights>().sealed;
    const uint64_t begin = random() % sealed.bytes;
    const uint64_t end = std::min(sealed.bytes, begin + 1 + random() % 64);
    switch (random() % 4) {
      case 0:  // noise
        for (uint64_t i = begin; i < end; ++i) {
          host.payload()[i] ^= static_cast<std::byte>(1 + random() % 255);
        }
        break;
      case 1: {  // one value over a block, other than what it begins with
        const int value = std::to_integer<int>(host.payload()[begin]) ^ 0x55;
        std::memset(host.payload().data() + begin, value, end - begin);
        break;
      }
      case 2:  // a shift
        std::memmove(host.payload().data() + 1, host.payload().data(), sealed.bytes - 1);
        break;
      default:  // the body
        message.body[random() % 56] ^= static_cast<std::byte>(1 + random() % 255);
        break;
    }
    const Outcome outcome = host.send(message);
    ASSERT_TRUE(outcome.code == Code::integrity || outcome.code == Code::policy) << round;
  }
}

}  // namespace
}  // namespace taoism::attack
