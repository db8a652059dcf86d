// A host between a TEE and whoever has a session with it: replies forged, swapped, replayed or
// those of a TEE that was started otherwise, and evidence that is not the TEE's. This program's
// platform has evidence: the report data behind a word.
#include <algorithm>
#include <deque>

#include <gtest/gtest.h>

#include "crypto/hash.h"
#include "host.h"
#include "kernels/target.h"
#include "tally.h"
#include "tee/owner_session.h"
#include "trusted/platform.h"

namespace taoism::attack {
namespace {

constexpr std::string_view kWord = "a quote of ";
constexpr size_t kEvidenceBytes = kWord.size() + platform::kReportDataBytes;
constexpr auto kKind = static_cast<wire::EvidenceKind>(7);

}  // namespace
}  // namespace taoism::attack

namespace taoism::platform {

wire::EvidenceKind evidence_kind() { return attack::kKind; }

uint64_t report(std::span<const std::byte, kReportDataBytes> report_data, ByteSpan out) {
  std::ranges::copy(std::as_bytes(std::span(attack::kWord)), out.begin());
  std::ranges::copy(report_data, out.begin() + attack::kWord.size());
  return attack::kEvidenceBytes;
}

bool sealing_key(std::span<std::byte, kSealingKeyBytes> out) {
  std::ranges::fill(out, std::byte{9});
  return true;
}

}  // namespace taoism::platform

namespace taoism::attack {
namespace {

using wire::Message;
using wire::MessageType;
using wire::Text;

// A TEE with a session and a program, and what it says to a message before anybody has looked.
struct Conversation {
  Conversation() { host.load_everything(); }
  wire::Reply answer(const Message& message) {
    wire::Reply reply;
    host.image().call(message, host.payload(), reply);
    return reply;
  }
  Message run(uint32_t segment) {
    return host.run_message(segment, host.sample().input(segment, 1));
  }

  Host host;
};

TEST(SessionAttack, EveryBitOfAReplyAndOfItsMessageIsAuthenticated) {
  Conversation with;
  const Message message = with.run(0);
  const wire::Reply reply = with.answer(message);
  ASSERT_EQ(reply.code, 0U);
  for (size_t bit = 0; bit < 8 * sizeof(reply); ++bit) {
    wire::Reply forged = reply;
    reinterpret_cast<std::byte*>(&forged)[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    EXPECT_FALSE(with.host.is_authentic(message, forged)) << bit;
  }
  for (size_t bit = 0; bit < 8 * sizeof(message); ++bit) {
    Message other = message;
    reinterpret_cast<std::byte*>(&other)[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    EXPECT_FALSE(with.host.is_authentic(other, reply)) << bit;
  }
  EXPECT_TRUE(with.host.is_authentic(message, reply));
}

TEST(SessionAttack, RepliesReplayedReorderedOrDropped) {
  Conversation with;
  const Message first = with.run(0);
  const wire::Reply to_first = with.answer(first);
  const Message second = with.run(1);
  const wire::Reply to_second = with.answer(second);
  EXPECT_FALSE(with.host.is_authentic(second, to_second));  // the first was dropped
  EXPECT_FALSE(with.host.is_authentic(first, to_second));
  EXPECT_FALSE(with.host.is_authentic(second, to_first));
  EXPECT_TRUE(with.host.is_authentic(first, to_first));
  EXPECT_FALSE(with.host.is_authentic(first, to_first));
  EXPECT_TRUE(with.host.is_authentic(second, to_second));
  // The same messages once more: nothing that was said before is an answer.
  EXPECT_FALSE(with.host.is_authentic(first, to_first));
}

TEST(SessionAttack, AMessageThatBecameAPingHasNoAnswer) {
  Conversation with;
  const wire::Reply reply = with.answer(Message::of(MessageType::ping));
  EXPECT_EQ(reply.tag, wire::Reply().tag);
  EXPECT_FALSE(with.host.is_authentic(with.run(0), reply));
}

TEST(SessionAttack, RefusalsAreAuthenticForEver) {
  Conversation with;
  auto unknown = with.run(0).as<wire::RunSegment>();
  unknown.segment = 9;
  for (int i = 0; i < 3; ++i) {
    const Message message = Message::of(MessageType::run_segment, unknown);
    const wire::Reply reply = with.answer(message);
    EXPECT_EQ(reply.text, static_cast<uint32_t>(Text::segment_unknown));
    EXPECT_TRUE(with.host.is_authentic(message, reply));
  }
}

// A host that starts a TEE with other threads, memory, kernels or without its key.
TEST(SessionAttack, ATeeThatWasStartedOtherwiseHasOtherKeys) {
  const std::function<void(wire::SessionTerms&)> otherwise[] = {
      [](wire::SessionTerms& t) { ++t.version; },
      [](wire::SessionTerms& t) { ++t.threads; },
      [](wire::SessionTerms& t) { --t.budget_bytes; },
      [](wire::SessionTerms& t) { t.budget_bytes ^= 1ULL << 63; },
      [](wire::SessionTerms& t) { ++t.kernel_target; },
      [](wire::SessionTerms& t) { t.holds_key ^= 1; }};
  EXPECT_EQ(Host().open_session(), Outcome());
  for (const auto& change : otherwise) {
    Host host;
    wire::SessionTerms believed = host.terms();
    change(believed);
    EXPECT_EQ(host.open_session(believed), kOtherKeys);
    tally(kOtherKeys);
  }
}

TEST(Evidence, IsBoundToTheSession) {
  Host host;
  const wire::Range room{64, kEvidenceBytes};
  ASSERT_EQ(host.open_session(host.terms(), room), Outcome());
  const auto answer = host.reply().as<wire::OpenSessionReply>();
  EXPECT_EQ(answer.evidence_kind, static_cast<uint32_t>(kKind));
  ASSERT_EQ(answer.evidence_bytes, kEvidenceBytes);
  const ByteSpan evidence = host.part(room);
  EXPECT_EQ(answer.evidence_sha256, crypto::sha256(evidence).value());
  EXPECT_TRUE(
      std::ranges::equal(evidence.subspan(kWord.size(), crypto::kDigestBytes), host.transcript()));
  EXPECT_TRUE(host.guards_hold());
}

TEST(Evidence, HelloSaysWhetherThereIsAny) {
  Host host;
  ASSERT_EQ(host.send(Message::of(MessageType::hello)), Outcome());
  const auto hello = host.reply().as<wire::HelloReply>();
  EXPECT_EQ(hello.evidence_kind, static_cast<uint32_t>(kKind));
  EXPECT_EQ(hello.has_sealing_key, 1U);
}

TEST(Evidence, IsWrittenNowhereElse) {
  const uint64_t payload = Host().payload().size();
  const Outcome outside{Code::policy, Text::range_outside_payload};
  const Outcome small{Code::policy, Text::evidence_room};
  struct Case {
    wire::Range room;
    Outcome want;
  };
  for (const Case& c :
       {Case{{0, 0}, {}}, Case{{payload, 0}, {}}, Case{{0, 1}, small},
        Case{{5, kEvidenceBytes - 1}, small}, Case{{payload, 1}, outside},
        Case{{payload - kEvidenceBytes + 1, kEvidenceBytes}, outside},
        Case{{~uint64_t{0}, kEvidenceBytes}, outside}, Case{{1, ~uint64_t{0}}, outside}}) {
    Host host;
    std::ranges::fill(host.payload(), Host::kUnwritten);
    EXPECT_EQ(host.open_session(host.terms(), c.room), c.want) << c.room.offset;
    EXPECT_TRUE(
        std::ranges::all_of(host.payload(), [](std::byte b) { return b == Host::kUnwritten; }));
    EXPECT_TRUE(host.guards_hold());
    tally(c.want);
  }
}

// The real end of a session, over a TEE in this process; the host changes what passes.
class MeddlingTransport final : public tee::Transport {
 public:
  explicit MeddlingTransport(Host& host) : host_(host), payload_(wire::kMaxEvidenceBytes) {}

  ByteSpan payload() override { return payload_.span(); }
  std::vector<std::string> warnings() const override { return {}; }

  std::function<void(wire::Reply& reply, ByteSpan payload)> meddle = [](wire::Reply&, ByteSpan) {};

 protected:
  Status send(uint32_t, const Message& message) override {
    host_.image().call(message, payload(), replies_.emplace_back());
    return {};
  }
  Status receive(uint32_t, wire::Reply& reply) override {
    reply = replies_.front();
    replies_.pop_front();
    meddle(reply, payload());
    return {};
  }

 private:
  Host& host_;
  AlignedBuffer payload_;
  std::deque<wire::Reply> replies_;
};

TEST(OwnerSession, HasTheEvidenceOrNone) {
  Host host;
  MeddlingTransport honest(host);
  const auto session = tee::OwnerSession::open(honest, host.terms());
  ASSERT_TRUE(session.ok()) << session.status().message();
  EXPECT_EQ(session->evidence().size(), kEvidenceBytes);

  Host other;
  MeddlingTransport liar(other);
  liar.meddle = [](wire::Reply&, ByteSpan payload) { payload[3] ^= std::byte{1}; };
  EXPECT_EQ(tee::OwnerSession::open(liar, other.terms()).code(), Code::integrity);
}

TEST(OwnerSession, TakesNoReplyButTheTees) {
  const std::function<void(wire::Reply&, ByteSpan)> forgeries[] = {
      [](wire::Reply& r, ByteSpan) { r.code ^= 1; },
      [](wire::Reply& r, ByteSpan) { r.peak_arena_bytes += 64; },
      [](wire::Reply& r, ByteSpan) { r.body[100] ^= std::byte{1}; },
      [](wire::Reply& r, ByteSpan) { r.tag[0] ^= std::byte{1}; },
      [](wire::Reply& r, ByteSpan) { r = {}; },
  };
  for (const auto& forge : forgeries) {
    Host host;
    MeddlingTransport transport(host);
    ASSERT_TRUE(tee::OwnerSession::open(transport, host.terms()).ok());
    wire::Reply reply;
    const Message hello = Message::of(MessageType::hello);
    EXPECT_TRUE(transport.call(hello, reply).ok());
    const auto honest = std::exchange(transport.meddle, forge);
    const Status forged = transport.call(hello, reply);
    EXPECT_EQ(forged.code(), Code::integrity) << forged.message();
    // For ever: an honest reply is one too late.
    transport.meddle = honest;
    EXPECT_EQ(transport.call(hello, reply).message(), forged.message());
    EXPECT_EQ(transport.call(Message::of(MessageType::ping), reply).message(), forged.message());
  }
}

TEST(OwnerSession, KnowsATeeThatWasStartedOtherwise) {
  Host host;
  MeddlingTransport transport(host);
  wire::SessionTerms believed = host.terms();
  believed.budget_bytes += 64;
  const Status status = tee::OwnerSession::open(transport, believed).status();
  EXPECT_EQ(status.code(), Code::integrity) << status.message();
}

}  // namespace
}  // namespace taoism::attack
