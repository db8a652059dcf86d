// A hostile host with a package and a second thread, which changes what is sealed, or the message,
// while the TEE opens and runs it: an answer is right, or there is none.
#include <algorithm>
#include <cstring>

#include <gtest/gtest.h>

#include "attacker.h"
#include "package_attack.h"

namespace taoism::attack {
namespace {

using wire::Message;
using wire::Text;

class PackageRace : public ::testing::Test {
 protected:
  void SetUp() override {
    if (kRacesAreErrors) GTEST_SKIP() << kNoRacesHere;
    Host calm(large_sample(), tight_budget());
    calm.load_everything();
    right_ = calm.run_all(input(0), input(1));
  }
  static Floats input(uint32_t segment) { return large_sample().input(segment, 3); }

  // Loads `message` and runs both segments: while `act` is at work, and with the answer checked.
  template <typename Act>
  Outcome load_and_run(Host& host, const Message& message, Act act) {
    Outcome outcome;
    {
      const Attacker attacker(act);
      outcome = host.send(message);
      for (uint32_t segment = 0; segment < 2 && outcome.code == Code::ok; ++segment) {
        outcome = host.send(host.run_message(segment, input(segment)));
      }
    }
    EXPECT_TRUE(host.guards_hold());
    if (outcome.code == Code::ok) {
      const Floats got = host.output();
      EXPECT_EQ(std::memcmp(got.data(), right_.data(), right_.size() * sizeof(float)), 0)
          << "a wrong answer";
    }
    tally(outcome);
    return outcome;
  }

  Floats right_;
};

template <typename Outcomes>
void expect_one_of(const Outcomes& allowed, const Outcome& outcome) {
  EXPECT_TRUE(std::ranges::find(allowed, outcome) != std::end(allowed)) << outcome_name(outcome);
}

constexpr Outcome kFound{Code::integrity, Text::outside_not_authentic};

// Loads and closes again and again: the sealed part is opened in some microseconds.
TEST_F(PackageRace, SealedBytesToggle) {
  constexpr int kLoads = 20;
  const Sample& sample = small_sample();
  const Floats x = sample.input(0, 3), y = sample.input(1, 3);
  Host calm;
  calm.load_everything();
  const Floats right = calm.run_all(x, y);
  int refused = 0;
  for (int round = 0; round < rounds() || (refused == 0 && round < 10 * rounds()); ++round) {
    Host host;
    const Message message = sealed_beside_weights(host);
    Outcome outcome;
    {
      const Attacker attacker([sealed = host.part(host.regions().sealed)](std::mt19937_64& random) {
        std::byte& at = sealed[random() % sealed.size()];
        at ^= std::byte{1};
        pause(random);
        at ^= std::byte{1};
        pause(random);
      });
      for (int load = 0; load < kLoads && outcome.code == Code::ok; ++load) {
        outcome = host.send(message);
        if (outcome.code != Code::ok) break;
        const Floats got = host.run_all(x, y);
        ASSERT_EQ(std::memcmp(got.data(), right.data(), right.size() * sizeof(float)), 0)
            << "a wrong answer";
        ASSERT_EQ(host.send(host.close_program()).code, Code::ok);
      }
    }
    EXPECT_TRUE(host.guards_hold());
    expect_one_of(
        std::initializer_list<Outcome>{
            Outcome(), kForged, {Code::integrity, Text::package_part_wrong}},
        outcome);
    tally(outcome);
    refused += outcome.code != Code::ok ? 1 : 0;
    if (HasFailure()) return;
  }
  EXPECT_GT(refused, 0) << "the attacker never struck";
}

TEST_F(PackageRace, WeightsToggle) {
  int refused = 0;
  for (int round = 0; round < rounds() || (refused == 0 && round < 50 * rounds()); ++round) {
    Host host(large_sample(), tight_budget());
    const Message message = sealed_beside_weights(host);
    const Outcome outcome = load_and_run(
        host, message, [weights = host.part(host.regions().weights)](std::mt19937_64& random) {
          std::byte& at = weights[random() % weights.size()];
          at ^= std::byte{1};
          if (random() % 8 == 0) std::this_thread::yield();
          at ^= std::byte{1};
          if (random() % 4 == 0) std::this_thread::yield();
        });
    expect_one_of(std::initializer_list<Outcome>{Outcome(), kFound}, outcome);
    refused += outcome.code != Code::ok ? 1 : 0;
    if (HasFailure()) return;
  }
  EXPECT_GT(refused, 0) << "the attacker never struck";
}

// The message is one of the two that it might have been: never checked as one and used as another.
TEST_F(PackageRace, TheMessageToggles) {
  for (int round = 0; round < rounds(); ++round) {
    Host host(large_sample(), tight_budget());
    host.keys().key.least_version = large_sample().header().version;
    const Message good = sealed_beside_weights(host);
    Message message = good;
    auto* words = reinterpret_cast<uint64_t*>(&message);
    const auto act = [&, words](std::mt19937_64& random) {
      const size_t at = random() % (sizeof(Message) / 8);
      uint64_t old = 0;
      std::memcpy(&old, reinterpret_cast<const std::byte*>(&good) + 8 * at, sizeof(old));
      std::atomic_ref word(words[at]);
      word.store(random() % 2 == 0 ? ~old : old - 1, std::memory_order_relaxed);
      if (random() % 8 == 0) std::this_thread::yield();
      word.store(old, std::memory_order_relaxed);
      if (random() % 16 == 0) std::this_thread::yield();
    };
    Outcome outcome;
    {
      const Attacker attacker(act);
      outcome = host.send(message);
    }
    EXPECT_TRUE(host.guards_hold());
    tally(outcome);
    EXPECT_TRUE(outcome.code == Code::ok || outcome.code == Code::policy ||
                outcome.code == Code::integrity)
        << outcome_name(outcome);
  }
}

}  // namespace
}  // namespace taoism::attack
