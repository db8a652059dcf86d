// A hostile host and the store of sealed weights: whatever is done to a chunk, at any time before
// the TEE reads it, is found; what it has read already, it does not read again.
#include <algorithm>

#include <gtest/gtest.h>

#include "judge.h"
#include "tally.h"

namespace taoism::attack {
namespace {

constexpr Outcome kFound{Code::integrity, wire::Text::outside_not_authentic};

struct Piece {
  program::WeightId weight = 0;
  uint32_t piece = 0;
  wire::Range range;  // in the store
};

std::vector<Piece> all_pieces(const Sample& sample) {
  std::vector<Piece> pieces;
  const store::WeightLayout& layout = sample.layout();
  for (program::WeightId w = 0; w < sample.program().weights.size(); ++w) {
    for (uint32_t p = 0; p < layout.pieces(w); ++p) {
      pieces.push_back({w, p, {layout.offset(w, p), layout.sealed_bytes(w, p)}});
    }
  }
  return pieces;
}

ByteSpan sealed(Host& host, const Piece& piece) {
  return host.part(host.regions().weights).subspan(piece.range.offset, piece.range.bytes);
}

Outcome run_both(Host& host, Judge& judge, int seed = 1) {
  for (uint32_t segment = 0; segment < 2; ++segment) {
    const wire::Message message = host.run_message(segment, host.sample().input(segment, seed));
    const Outcome outcome = judge.send(host, message);
    if (outcome.code != Code::ok) return outcome;
  }
  return {};
}

// What a test does to a piece.
struct Spoil {
  const char* name;
  void (*act)(Host& host, const Piece& piece);
};

const std::vector<std::byte>& other_store() {
  static const std::vector<std::byte> store =
      large_sample().seal_weights(store::new_store(large_sample().header().version).value());
  return store;
}

const std::vector<std::byte>& other_version() {
  static const std::vector<std::byte> store = [] {
    store::StoreHeader header = large_sample().header();
    --header.version;
    return large_sample().seal_weights(header);
  }();
  return store;
}

void copy_from(const std::vector<std::byte>& other, Host& host, const Piece& piece) {
  std::copy_n(other.begin() + static_cast<ptrdiff_t>(piece.range.offset), piece.range.bytes,
              sealed(host, piece).begin());
}

const Spoil kSpoils[] = {
    {"FirstBit", [](Host& h, const Piece& p) { sealed(h, p)[0] ^= std::byte{1}; }},
    {"LastBitOfTheCiphertext",
     [](Host& h, const Piece& p) {
       sealed(h, p)[p.range.bytes - crypto::kTagBytes - 1] ^= std::byte{0x80};
     }},
    {"FirstBitOfTheTag",
     [](Host& h, const Piece& p) {
       sealed(h, p)[p.range.bytes - crypto::kTagBytes] ^= std::byte{1};
     }},
    {"LastBitOfTheTag",
     [](Host& h, const Piece& p) { sealed(h, p)[p.range.bytes - 1] ^= std::byte{0x80}; }},
    {"Zeroed", [](Host& h, const Piece& p) { std::ranges::fill(sealed(h, p), std::byte{0}); }},
    {"CutShort",
     [](Host& h, const Piece& p) {
       std::ranges::fill(sealed(h, p).last(crypto::kTagBytes + 4), std::byte{0});
     }},
    {"Shifted",
     [](Host& h, const Piece& p) {
       std::memmove(sealed(h, p).data() + 1, sealed(h, p).data(), p.range.bytes - 1);
     }},
    {"OfAnotherStore", [](Host& h, const Piece& p) { copy_from(other_store(), h, p); }},
    {"OfAnotherVersion", [](Host& h, const Piece& p) { copy_from(other_version(), h, p); }},
};

// Every piece of every weight, in a TEE that streams.
class WeightAttack : public ::testing::TestWithParam<Spoil> {};

TEST_P(WeightAttack, BeforeTheFirstRun) {
  Judge judge(large_sample(), tight_budget());
  for (const Piece& piece : all_pieces(large_sample())) {
    judge.forget();
    Host host(large_sample(), tight_budget());
    host.load_everything();
    GetParam().act(host, piece);
    const Outcome outcome = run_both(host, judge);
    EXPECT_EQ(outcome, kFound) << piece.weight << ", piece " << piece.piece;
    tally(outcome);
  }
}

// Streamed weights are read in every run, the others once.
TEST_P(WeightAttack, BetweenTwoRuns) {
  Judge judge(large_sample(), tight_budget());
  for (const Piece& piece : all_pieces(large_sample())) {
    judge.forget();
    Host host(large_sample(), tight_budget());
    host.load_everything();
    EXPECT_EQ(run_both(host, judge, 1), Outcome());
    GetParam().act(host, piece);
    const Outcome outcome = run_both(host, judge, 2);
    const bool is_resident = host.schedule()->weights[piece.weight].is_resident;
    EXPECT_EQ(outcome, is_resident ? Outcome() : kFound) << piece.weight;
    tally(outcome);
  }
}

// The second segment's weights are not read in the first, and the first's not in the second.
TEST_P(WeightAttack, BetweenTwoSegments) {
  Judge judge(large_sample(), tight_budget());
  std::vector<bool> is_of_second(large_sample().program().weights.size(), false);
  for (const program::Instruction& i : large_sample().program().segments[1].instructions) {
    for (const program::Operand& operand : i.inputs) {
      if (operand.kind == program::Operand::weight) is_of_second[operand.index] = true;
    }
  }
  for (const Piece& piece : all_pieces(large_sample())) {
    judge.forget();
    Host host(large_sample(), tight_budget());
    host.load_everything();
    ASSERT_EQ(judge.send(host, host.run_message(0, host.sample().input(0, 1))), Outcome());
    GetParam().act(host, piece);
    const Outcome outcome = judge.send(host, host.run_message(1, host.sample().input(1, 1)));
    EXPECT_EQ(outcome, is_of_second[piece.weight] ? kFound : Outcome()) << piece.weight;
    tally(outcome);
  }
}

INSTANTIATE_TEST_SUITE_P(Spoils, WeightAttack, ::testing::ValuesIn(kSpoils),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(WeightStore, EveryByteOfASmallStore) {
  Judge judge(small_sample(), 0);
  const uint64_t bytes = small_sample().layout().bytes();
  for (uint64_t at = 0; at < bytes; ++at) {
    judge.forget();
    Host host;
    host.load_everything();
    host.part(host.regions().weights)[at] ^= static_cast<std::byte>(1U << (at % 8));
    const Outcome outcome = run_both(host, judge);
    ASSERT_EQ(outcome, kFound) << at;
    tally(outcome);
  }
}

TEST(WeightStore, PiecesSwappedOrOfAnotherWeight) {
  Judge judge(large_sample(), tight_budget());
  const std::vector<Piece> pieces = all_pieces(large_sample());
  int of_the_same_size = 0;
  for (const Piece& one : pieces) {
    for (const Piece& two : pieces) {
      if (one.range.offset == two.range.offset || one.range.bytes != two.range.bytes) continue;
      of_the_same_size += one.weight != two.weight ? 1 : 0;
      for (const bool is_swap : {true, false}) {
        judge.forget();
        Host host(large_sample(), tight_budget());
        host.load_everything();
        const ByteSpan a = sealed(host, one);
        const ByteSpan b = sealed(host, two);
        if (is_swap) {
          std::ranges::swap_ranges(a, b);
        } else {
          std::ranges::copy(b, a.begin());
        }
        const Outcome outcome = run_both(host, judge);
        EXPECT_EQ(outcome, kFound);
        tally(outcome);
      }
    }
  }
  EXPECT_GT(of_the_same_size, 0);
}

TEST(WeightStore, AStoreUnderAnotherHeader) {
  const size_t bytes = sizeof(store::StoreHeader);
  for (size_t at = 0; at < bytes; ++at) {
    Judge judge(small_sample(), 0);
    Host host;
    ASSERT_EQ(host.open_session().code, Code::ok);
    host.put_weights();
    store::StoreHeader header = host.sample().header();
    reinterpret_cast<std::byte*>(&header)[at] ^= std::byte{0x20};
    ASSERT_EQ(host.send(host.seal_program(header)).code, Code::ok);
    const Outcome outcome = run_both(host, judge);
    EXPECT_EQ(outcome, kFound) << at;
    tally(outcome);
  }
}

TEST(WeightStore, NoWeightsAtAll) {
  Judge judge(large_sample(), tight_budget());
  Host host(large_sample(), tight_budget());
  ASSERT_EQ(host.open_session().code, Code::ok);
  ASSERT_EQ(host.send(host.seal_program()).code, Code::ok);
  const Outcome outcome = run_both(host, judge);
  EXPECT_EQ(outcome, kFound);
  tally(outcome);
}

// What the TEE has let out of itself holds no weight.
TEST(WeightStore, NothingInThePayloadIsAWeight) {
  Host host(large_sample(), tight_budget());
  host.load_everything();
  host.run_all(host.sample().input(0, 1), host.sample().input(1, 1));
  constexpr size_t kNeedle = 16;
  for (program::WeightId w = 0; w < host.program().weights.size(); ++w) {
    const AlignedBuffer packed = host.sample().packed_weight(w);
    for (size_t at = 0; at + kNeedle <= packed.size(); at += std::max(packed.size() / 8, kNeedle)) {
      const ConstByteSpan needle = packed.span().subspan(at, kNeedle);
      if (std::ranges::count(needle, std::byte{0}) > 4) continue;  // padding
      const ByteSpan payload = host.payload();
      EXPECT_EQ(std::search(payload.begin(), payload.end(), needle.begin(), needle.end()),
                payload.end())
          << w << " at " << at;
    }
  }
}

}  // namespace
}  // namespace taoism::attack
