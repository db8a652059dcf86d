// A hostile host that changes shared memory on a second thread, all the time, while the TEE checks
// and uses it. Every answer is right or a typed error.
#include <algorithm>
#include <atomic>
#include <bit>
#include <random>

#include <gtest/gtest.h>

#include "attacker.h"
#include "tally.h"
#include "worker_pool.h"

namespace taoism::attack {
namespace {

using wire::Message;
using wire::Text;

class ConcurrentAttack : public ::testing::TestWithParam<size_t> {
 protected:
  void SetUp() override {
    if (kRacesAreErrors) GTEST_SKIP() << kNoRacesHere;
    Host calm(large_sample(), budget_, &pool_);
    calm.load_everything();
    for (uint32_t segment = 0; segment < 2; ++segment) {
      ASSERT_EQ(calm.send(calm.run_message(segment, input(segment))).code, Code::ok);
      for (size_t o = 0; o < calm.program().segments[segment].outputs.size(); ++o) {
        right_[segment].push_back(calm.output(o));
      }
    }
  }
  static Floats input(uint32_t segment) { return large_sample().input(segment, 3); }

  std::unique_ptr<Host> fresh_host() {
    auto host = std::make_unique<Host>(large_sample(), budget_, &pool_);
    host->load_everything();
    return host;
  }

  // Runs both segments; `act` is at work while the TEE is.
  template <typename Act>
  Outcome run_under(Host& host, Act act) {
    for (uint32_t segment = 0; segment < 2; ++segment) {
      const Message message = host.run_message(segment, input(segment));
      Outcome outcome;
      {
        const Attacker attacker(act);
        outcome = host.send(message);
      }
      EXPECT_TRUE(host.guards_hold());
      check_outputs(host, segment, outcome);
      if (outcome.code != Code::ok) return outcome;
    }
    return {};
  }

  void check_outputs(Host& host, uint32_t segment, const Outcome& outcome) {
    for (size_t o = 0; o < right_[segment].size(); ++o) {
      const Floats got = host.output(o);
      for (size_t i = 0; i < got.size(); ++i) {
        const auto bits = std::bit_cast<uint32_t>(got[i]);
        const bool is_right = bits == std::bit_cast<uint32_t>(right_[segment][o][i]);
        ASSERT_TRUE(is_right || (outcome.code != Code::ok && bits == 0xeeeeeeeeU))
            << "a wrong answer: segment " << segment << ", output " << o << ", element " << i;
      }
    }
  }

  // rounds() attacks, each on a TEE that lives; more where one processor does all the work and the
  // attacker seldom gets its turn.
  template <typename Act>
  void attack(std::initializer_list<Outcome> allowed, Act make_act) {
    std::unique_ptr<Host> host;
    int refused = 0;
    const int most = 50 * rounds();
    for (int round = 0; round < rounds() || (refused == 0 && round < most); ++round) {
      if (HasFailure()) return;
      if (host == nullptr) host = fresh_host();
      const Outcome outcome = run_under(*host, make_act(*host));
      tally(outcome);
      EXPECT_TRUE(std::ranges::find(allowed, outcome) != allowed.end()) << outcome_name(outcome);
      if (outcome.code != Code::ok) {
        ++refused;
        host.reset();
      } else {
        host->put_weights();
      }
    }
    EXPECT_GT(refused, 0) << "the attacker never struck";
  }

  const size_t threads_ = GetParam();
  image::WorkerPool pool_{threads_, false};
  const uint64_t budget_ = tight_budget(threads_);
  std::vector<Floats> right_[2];
};

constexpr Outcome kFound{Code::integrity, Text::outside_not_authentic};

TEST_P(ConcurrentAttack, BitsOfWeightsToggle) {
  attack({Outcome(), kFound}, [](Host& host) {
    return [area = host.part(host.regions().weights)](std::mt19937_64& random) {
      std::byte& at = area[random() % area.size()];
      at ^= std::byte{4};
      pause(random);
      at ^= std::byte{4};
      pause(random);
    };
  });
}

TEST_P(ConcurrentAttack, ChunksOfAnotherStoreComeAndGo) {
  const std::vector<std::byte>& good = large_sample().sealed_weights();
  const std::vector<std::byte> other =
      large_sample().seal_weights(store::new_store(large_sample().header().version).value());
  attack({Outcome(), kFound}, [&](Host& host) {
    return [&, area = host.part(host.regions().weights)](std::mt19937_64& random) {
      const size_t begin = random() % area.size();
      const size_t bytes = std::min<size_t>(area.size() - begin, 4096);
      std::memcpy(area.data() + begin, other.data() + begin, bytes);
      pause(random);
      std::memcpy(area.data() + begin, good.data() + begin, bytes);
      pause(random);
    };
  });
}

TEST_P(ConcurrentAttack, BitsOfSpilledChunksToggle) {
  attack({Outcome(), kFound}, [](Host& host) {
    return [area = host.part(host.regions().spill)](std::mt19937_64& random) {
      area[random() % area.size()] ^= std::byte{4};
      pause(random);
    };
  });
}

TEST_P(ConcurrentAttack, OldChunksAreCopiedBack) {
  std::vector<std::byte> old(Host(large_sample(), budget_, &pool_).regions().spill.bytes);
  attack({Outcome(), kFound}, [&](Host& host) {
    return [&old, area = host.part(host.regions().spill)](std::mt19937_64& random) {
      const size_t chunk = random() % (area.size() / store::kSpillChunkBytes);
      const size_t begin = chunk * store::kSpillChunkBytes;
      std::byte* kept = old.data() + begin;
      if (random() % 4 == 0) std::memcpy(kept, area.data() + begin, store::kSpillChunkBytes);
      pause(random);
      std::memcpy(area.data() + begin, kept, store::kSpillChunkBytes);
      pause(random);
    };
  });
}

// The list says a place in the payload, and at the next look one outside. It is looked at once.
TEST_P(ConcurrentAttack, SlotsToggle) {
  attack({Outcome(),
          {Code::policy, Text::range_outside_payload},
          {Code::policy, Text::slot_bytes_wrong}},
         [](Host& host) {
           auto* list = reinterpret_cast<uint64_t*>(host.part(host.regions().list).data());
           return [list, far = host.payload().size() - 64](std::mt19937_64& random) {
             std::atomic_ref word(list[random() % 4]);
             const uint64_t good = word.load(std::memory_order_relaxed);
             word.store(far, std::memory_order_relaxed);
             if (random() % 8 == 0) std::this_thread::yield();
             word.store(good, std::memory_order_relaxed);
             if (random() % 64 == 0) pause(random);
           };
         });
}

INSTANTIATE_TEST_SUITE_P(Threads, ConcurrentAttack, ::testing::Values(1, 2));

// A message that changes while it is read is one of the two that it might have been.
TEST(ConcurrentMessage, Toggles) {
  if (kRacesAreErrors) GTEST_SKIP() << kNoRacesHere;
  const Sample& sample = small_sample();
  const Floats x = sample.input(0, 1);
  Host calm;
  calm.load_everything();
  EXPECT_EQ(calm.send(calm.run_message(0, x)).code, Code::ok);
  const Floats right = calm.output();
  // One more in its segment is the other segment, which may follow and has tensors of these sizes.
  auto next = calm.run_message(0, x).as<wire::RunSegment>();
  ++next.segment;
  EXPECT_EQ(calm.send(Message::of(wire::MessageType::run_segment, next)).code, Code::ok);
  const Floats right_next = calm.output();
  for (int round = 0; round < rounds(); ++round) {
    Host host;
    host.load_everything();
    host.believe_replies();
    Message message = host.run_message(0, x);
    const Message good = message;
    Outcome outcome;
    {
      auto* words = reinterpret_cast<uint64_t*>(&message);
      const Attacker attacker([&](std::mt19937_64& random) {
        const size_t at = random() % (sizeof(Message) / 8);
        uint64_t old = 0;
        std::memcpy(&old, reinterpret_cast<const std::byte*>(&good) + 8 * at, sizeof(old));
        std::atomic_ref word(words[at]);
        word.store(random() % 2 == 0 ? ~old : old + 1, std::memory_order_relaxed);
        word.store(old, std::memory_order_relaxed);
        if (random() % 16 == 0) std::this_thread::yield();
      });
      for (int i = 0; i < 200 && outcome.code == Code::ok; ++i) {
        host.run_message(0, x);
        outcome = host.send(message);
        EXPECT_TRUE(host.guards_hold());
        // It may have become a ping, which writes nothing.
        const Floats got = host.output();
        const bool is_run = got == right || got == right_next;
        const bool is_unwritten = std::ranges::all_of(
            host.part(host.output_range(0)), [](std::byte b) { return b == Host::kUnwritten; });
        ASSERT_TRUE(is_run || is_unwritten) << outcome_name(outcome);
      }
    }
    tally(outcome);
    EXPECT_TRUE(outcome.code == Code::ok || outcome.code == Code::policy ||
                outcome.code == Code::integrity)
        << outcome_name(outcome);
  }
}

// The sealed program changes while it is opened.
TEST(ConcurrentLoad, SealedBytesToggle) {
  if (kRacesAreErrors) GTEST_SKIP() << kNoRacesHere;
  for (int round = 0; round < rounds(); ++round) {
    Host host(large_sample(), tight_budget());
    ASSERT_EQ(host.open_session().code, Code::ok);
    host.put_weights();
    const Message message = host.seal_program();
    Outcome outcome;
    {
      const Attacker attacker([sealed = host.part(host.regions().sealed)](std::mt19937_64& random) {
        std::byte& at = sealed[random() % sealed.size()];
        at ^= std::byte{1};
        at ^= std::byte{1};
        if (random() % 16 == 0) std::this_thread::yield();
      });
      outcome = host.send(message);
    }
    tally(outcome);
    EXPECT_TRUE(outcome == Outcome() || outcome == (Outcome{Code::integrity, Text::not_authentic}))
        << outcome_name(outcome);
    EXPECT_TRUE(host.guards_hold());
  }
}

}  // namespace
}  // namespace taoism::attack
