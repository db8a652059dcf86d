// A hostile host and the activations that a TEE keeps outside: each chunk is spoiled right after it
// was written, before it is read again, and is found. The host acts while a segment runs.
#include <algorithm>
#include <set>
#include <unordered_set>

#include <gtest/gtest.h>

#include "judge.h"
#include "tally.h"

namespace taoism::attack {
namespace {

constexpr Outcome kFound{Code::integrity, wire::Text::outside_not_authentic};

TEST(LargeSample, StreamsSpillsAndWorksInBandsInLittleMemory) {
  for (const size_t threads : {1, 2}) {
    const program::Schedule* schedule = large_sample().schedule(tight_budget(threads), threads);
    ASSERT_NE(schedule, nullptr);
    EXPECT_GT(schedule->streamed_bytes, 0U);
    EXPECT_GT(schedule->spilled_bytes, 0U);
    EXPECT_GT(schedule->bands, 0U);
    EXPECT_GT(schedule->spill_chunks, 4U);
  }
  const auto& weights = large_sample().schedule(tight_budget())->weights;
  EXPECT_TRUE(std::ranges::any_of(
      weights, [](const auto& w) { return !w.is_resident && w.ends.size() > 2; }));
  EXPECT_TRUE(std::ranges::any_of(weights, [](const auto& w) { return w.is_resident; }));
}

// A loaded TEE that spills, and a host that sees when a chunk is new.
class Spiller {
 public:
  using Act = std::function<void(Spiller& self, uint64_t chunk)>;

  Spiller() : host(large_sample(), tight_budget(), &parallel) { host.load_everything(); }

  ByteSpan area() { return host.part(host.regions().spill); }
  uint64_t chunks() const { return host.schedule()->spill_chunks; }
  // The chunk's ciphertext and tag.
  ByteSpan chunk(uint64_t chunk) { return area().subspan(offset(chunk), bytes_[chunk]); }

  // Runs both segments. `act` is called once, right after chunk `target` was written.
  Outcome run(Judge& judge, int seed, uint64_t target, const Act& act) {
    std::vector<std::byte> before(area().begin(), area().end());
    bool has_acted = false;
    for (uint32_t segment = 0; segment < 2; ++segment) {
      const wire::Message message = host.run_message(segment, host.sample().input(segment, seed));
      parallel.set_hook([&](uint64_t) {
        if (has_acted) return;
        if (std::equal(chunk(target).begin(), chunk(target).end(),
                       before.begin() + static_cast<ptrdiff_t>(offset(target)))) {
          return;
        }
        has_acted = true;
        if (act) act(*this, target);
      });
      const Outcome outcome = judge.send(host, message, true);
      parallel.set_hook({});
      if (outcome.code != Code::ok) return outcome;
    }
    EXPECT_TRUE(has_acted) << "chunk " << target << " was never written";
    return {};
  }

  SteppedParallel parallel;
  Host host;
  std::vector<std::byte> old;  // the area after an earlier run

 private:
  static uint64_t offset(uint64_t chunk) { return chunk * store::kSpillChunkBytes; }
  static std::vector<uint64_t> chunk_bytes(const program::Schedule& schedule) {
    std::vector<uint64_t> bytes;
    for (const program::SpillPlan& plan : schedule.spills) {
      TAOISM_CHECK(plan.images == 0 || plan.first_chunk == bytes.size());
      for (uint32_t i = 0; i < plan.images * plan.chunks_per_image; ++i) {
        const uint64_t begin = i % plan.chunks_per_image * program::kPieceBytes;
        bytes.push_back(std::min<uint64_t>(program::kPieceBytes, plan.image_bytes - begin) +
                        crypto::kTagBytes);
      }
    }
    return bytes;
  }
  const std::vector<uint64_t> bytes_ = chunk_bytes(*large_sample().schedule(tight_budget()));
};

struct Spoil {
  const char* name;
  void (*act)(Spiller& s, uint64_t chunk);
};

const Spoil kSpoils[] = {
    {"FirstBit", [](Spiller& s, uint64_t c) { s.chunk(c)[0] ^= std::byte{1}; }},
    {"LastBitOfTheCiphertext",
     [](Spiller& s, uint64_t c) {
       s.chunk(c)[s.chunk(c).size() - crypto::kTagBytes - 1] ^= std::byte{0x80};
     }},
    {"FirstBitOfTheTag",
     [](Spiller& s, uint64_t c) {
       s.chunk(c)[s.chunk(c).size() - crypto::kTagBytes] ^= std::byte{1};
     }},
    {"LastBitOfTheTag", [](Spiller& s, uint64_t c) { s.chunk(c).back() ^= std::byte{0x80}; }},
    {"Zeroed", [](Spiller& s, uint64_t c) { std::ranges::fill(s.chunk(c), std::byte{0}); }},
    {"Shifted",
     [](Spiller& s, uint64_t c) {
       std::memmove(s.chunk(c).data() + 1, s.chunk(c).data(), s.chunk(c).size() - 1);
     }},
    {"RolledBackToAnEarlierRun",
     [](Spiller& s, uint64_t c) {
       const auto begin = s.old.begin() + static_cast<ptrdiff_t>(c * store::kSpillChunkBytes);
       std::copy_n(begin, s.chunk(c).size(), s.chunk(c).begin());
     }},
    {"RolledBackWithAllOthers",
     [](Spiller& s, uint64_t) { std::ranges::copy(s.old, s.area().begin()); }},
    {"OfAnotherPlace",
     [](Spiller& s, uint64_t c) {
       for (uint64_t other = 0; other < s.chunks(); ++other) {
         if (other == c || s.chunk(other).size() != s.chunk(c).size()) continue;
         std::ranges::copy(s.chunk(other), s.chunk(c).begin());
         return;
       }
       s.chunk(c)[0] ^= std::byte{1};  // none has its size
     }},
    {"SwappedWithTheOneBefore",
     [](Spiller& s, uint64_t c) {
       const uint64_t other = c != 0 ? c - 1 : 1;
       const size_t bytes = std::min(s.chunk(other).size(), s.chunk(c).size());
       std::ranges::swap_ranges(s.chunk(other).first(bytes), s.chunk(c).first(bytes));
     }},
    {"AWeightInItsPlace",
     [](Spiller& s, uint64_t c) {
       const auto store = s.host.part(s.host.regions().weights);
       std::copy_n(store.begin(), s.chunk(c).size(), s.chunk(c).begin());
     }},
};

class SpillAttack : public ::testing::TestWithParam<Spoil> {};

TEST_P(SpillAttack, EachChunkRightAfterItWasWritten) {
  Judge judge(large_sample(), tight_budget());
  const uint64_t chunks = large_sample().schedule(tight_budget())->spill_chunks;
  for (uint64_t target = 0; target < chunks; ++target) {
    judge.forget();
    Spiller spiller;
    ASSERT_EQ(spiller.run(judge, 1, target, {}), Outcome());
    spiller.old.assign(spiller.area().begin(), spiller.area().end());
    const Outcome outcome = spiller.run(judge, 2, target, GetParam().act);
    EXPECT_EQ(outcome, kFound) << "chunk " << target;
    tally(outcome);
  }
}

INSTANTIATE_TEST_SUITE_P(Spoils, SpillAttack, ::testing::ValuesIn(kSpoils),
                         [](const auto& info) { return std::string(info.param.name); });

// A whole earlier state, put back between two segments: what the second fetches is of another run.
TEST(Spill, RolledBackBetweenSegments) {
  Judge judge(large_sample(), tight_budget());
  for (const bool same_inputs : {false, true}) {
    judge.forget();
    Spiller s;
    const Sample& sample = s.host.sample();
    ASSERT_EQ(judge.send(s.host, s.host.run_message(0, sample.input(0, 1))), Outcome());
    s.old.assign(s.area().begin(), s.area().end());
    ASSERT_EQ(judge.send(s.host, s.host.run_message(1, sample.input(1, 1))), Outcome());
    const int seed = same_inputs ? 1 : 2;
    ASSERT_EQ(judge.send(s.host, s.host.run_message(0, sample.input(0, seed))), Outcome());
    std::ranges::copy(s.old, s.area().begin());
    const Outcome outcome = judge.send(s.host, s.host.run_message(1, sample.input(1, seed)));
    EXPECT_EQ(outcome, kFound);
    tally(outcome);
  }
}

// And put right again before anybody looks: nothing has happened.
TEST(Spill, SpoiledAndMendedBetweenSegments) {
  Judge judge(large_sample(), tight_budget());
  Spiller s;
  ASSERT_EQ(judge.send(s.host, s.host.run_message(0, s.host.sample().input(0, 1))), Outcome());
  const std::vector<std::byte> good(s.area().begin(), s.area().end());
  std::ranges::fill(s.area(), std::byte{0});
  std::ranges::copy(good, s.area().begin());
  EXPECT_EQ(judge.send(s.host, s.host.run_message(1, s.host.sample().input(1, 1))), Outcome());
}

// The area of one TEE is nothing to another one that runs the same.
TEST(Spill, OfAnotherTee) {
  Judge judge(large_sample(), tight_budget());
  Spiller one, two;
  for (Spiller* s : {&one, &two}) {
    ASSERT_EQ(judge.send(s->host, s->host.run_message(0, s->host.sample().input(0, 1))), Outcome());
  }
  std::ranges::copy(one.area(), two.area().begin());
  EXPECT_EQ(judge.send(two.host, two.host.run_message(1, two.host.sample().input(1, 1))), kFound);
}

// The same tensors, sealed twice, have nothing in common: no nonce comes twice.
TEST(Spill, EqualTensorsSealDifferently) {
  Spiller s;
  std::vector<std::vector<std::byte>> areas;
  for (int run = 0; run < 4; ++run) {
    s.host.run_all(s.host.sample().input(0, 1), s.host.sample().input(1, 1));
    areas.emplace_back(s.area().begin(), s.area().end());
  }
  std::set<std::vector<std::byte>> blocks;
  size_t count = 0;
  for (const auto& area : areas) {
    for (uint64_t c = 0; c < s.chunks(); ++c) {
      const auto begin = area.begin() + static_cast<ptrdiff_t>(c * store::kSpillChunkBytes);
      for (size_t block = 0; block + crypto::kTagBytes < s.chunk(c).size(); block += 4096) {
        const auto at = begin + static_cast<ptrdiff_t>(block);
        blocks.emplace(at, at + 16);
        ++count;
      }
    }
  }
  EXPECT_EQ(blocks.size(), count);
}

// Nothing that is in the TEE's memory is outside, but inputs and outputs.
TEST(Spill, NoTensorLeavesInTheClear) {
  Spiller s;
  const auto words_of = [](ConstByteSpan bytes) {
    std::unordered_set<uint64_t> words;
    for (size_t at = 0; at + 8 <= bytes.size(); at += 8) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, sizeof(word));
      if ((word >> 32) != 0 && (word & 0xffffffffU) != 0) words.insert(word);
    }
    return words;
  };
  for (uint32_t segment = 0; segment < 2; ++segment) {
    const Floats input = s.host.sample().input(segment, 1);
    // The arena at every step: all that was ever in it.
    std::unordered_set<uint64_t> inside;
    s.parallel.set_hook([&](uint64_t tick) {
      if (tick % 16 == 0) inside.merge(words_of(s.host.arena()));
    });
    ASSERT_EQ(s.host.send(s.host.run_message(segment, input)).code, Code::ok);
    s.parallel.set_hook({});
    inside.merge(words_of(s.host.arena()));
    EXPECT_GT(inside.size(), 10'000U);
    size_t found = 0;
    for (const wire::Range& range : {s.host.regions().spill, s.host.regions().weights}) {
      for (const uint64_t word : words_of(s.host.part(range))) found += inside.count(word);
    }
    EXPECT_EQ(found, 0U);
  }
}

}  // namespace
}  // namespace taoism::attack
