// Secrets are gone when their owner is: from memory that is given back, from the arena, and from
// what a failed opening has touched. Freed memory is looked at before the allocator gets it.
#include <algorithm>
#include <atomic>
#include <new>

#include <gtest/gtest.h>
#include <malloc.h>

#include "tally.h"

namespace {

// While a needle is set, every freed block is searched for it.
struct Needle {
  std::atomic<bool> is_set{false};
  taoism::ConstByteSpan bytes;
  std::atomic<int> found{0};
  std::atomic<int> freed{0};

  void look(void* block) {
    if (block == nullptr || !is_set.load(std::memory_order_relaxed)) return;
    freed.fetch_add(1, std::memory_order_relaxed);
    if (memmem(block, malloc_usable_size(block), bytes.data(), bytes.size()) != nullptr) {
      found.fetch_add(1, std::memory_order_relaxed);
    }
  }
};
Needle needle;

}  // namespace

// Every call of free() in this program: see CMakeLists.txt.
extern "C" void __real_free(void* block);   // NOLINT: the linker's name
extern "C" void __wrap_free(void* block) {  // NOLINT: the linker's name
  needle.look(block);
  __real_free(block);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
[[gnu::noinline]] void operator delete(void* block) noexcept { free(block); }
[[gnu::noinline]] void operator delete(void* block, size_t) noexcept { free(block); }
[[gnu::noinline]] void operator delete(void* block, std::align_val_t) noexcept { free(block); }
[[gnu::noinline]] void operator delete(void* block, size_t, std::align_val_t) noexcept {
  free(block);
}
#endif

namespace taoism::attack {
namespace {

using wire::Message;

// How many blocks that `act` frees hold `secret`.
template <typename Act>
int count_leaks(ConstByteSpan secret, Act&& act) {
  needle.bytes = secret;
  needle.found = 0;
  needle.freed = 0;
  needle.is_set = true;
  act();
  needle.is_set = false;
  EXPECT_GT(needle.freed.load(), 0) << "nothing was looked at";
  return needle.found.load();
}

bool is_zero(ConstByteSpan bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

TEST(Wipe, SecretBytesAreGoneWithTheirObject) {
  using Secret = SecretBytes<48>;
  alignas(Secret) std::byte memory[sizeof(Secret)];
  auto* secret = new (memory) Secret;
  std::ranges::fill(secret->expose_secret(), std::byte{0x5c});
  ASSERT_FALSE(is_zero(memory));
  secret->~Secret();
  EXPECT_TRUE(is_zero(memory));
}

TEST(Wipe, SecretBytesAreGoneFromWhereTheyWereMoved) {
  SecretBytes<32> one;
  std::ranges::fill(one.expose_secret(), std::byte{0x5c});
  SecretBytes<32> two(std::move(one));
  EXPECT_TRUE(is_zero(one.expose_secret()));  // NOLINT: what is left is what is tested
  SecretBytes<32> three;
  three = std::move(two);
  EXPECT_TRUE(is_zero(two.expose_secret()));  // NOLINT
  EXPECT_EQ(three.expose_secret()[31], std::byte{0x5c});
}

TEST(Wipe, SecretBuffersAreGoneBeforeTheyAreFreed) {
  const std::vector<std::byte> secret(32, std::byte{0x5c});
  const auto fill = [&](ByteSpan to) { std::ranges::copy(secret, to.begin() + 100); };
  EXPECT_EQ(count_leaks(secret,
                        [&] {
                          SecretBuffer buffer(1000);
                          fill(buffer.span());
                        }),
            0);
  // That a block is looked at, and a secret found.
  EXPECT_EQ(count_leaks(secret,
                        [&] {
                          AlignedBuffer buffer(1000);
                          fill(buffer.span());
                        }),
            1);
}

// A session from its first message to its last, then one that fails: none of the memory that the
// TEE gives back holds the store's secret or a weight.
TEST(Wipe, WhatTheTeeFreesHoldsNoSecret) {
  const Sample& sample = large_sample();
  std::vector<std::vector<std::byte>> secrets;
  const auto& key = sample.header().secret;
  secrets.emplace_back(key.begin(), key.begin() + 16);
  for (program::WeightId w = 0; w < sample.program().weights.size(); ++w) {
    const AlignedBuffer packed = sample.packed_weight(w);
    secrets.emplace_back(packed.data(), packed.data() + 16);
    ASSERT_FALSE(is_zero(secrets.back()));
  }
  for (const auto& secret : secrets) {
    Host host(sample, tight_budget());
    ASSERT_EQ(host.open_session().code, Code::ok);
    host.put_weights();
    const Message load = host.seal_program();
    const Message run = host.run_message(0, sample.input(0, 1));
    EXPECT_EQ(count_leaks(secret,
                          [&] {
                            EXPECT_EQ(host.send(load).code, Code::ok);
                            EXPECT_EQ(host.send(run).code, Code::ok);
                            EXPECT_EQ(host.send(host.close_program()).code, Code::ok);
                          }),
              0);
    // The program opens, but under a name that is not its own.
    std::vector<std::byte> plain(object_bytes(sample.header()).begin(),
                                 object_bytes(sample.header()).end());
    plain.insert(plain.end(), sample.encoded().begin(), sample.encoded().end());
    const Message wrong = host.seal_plain(plain, wire::ProgramId{});
    EXPECT_EQ(count_leaks(secret,
                          [&] {
                            EXPECT_EQ(host.send(wrong).text, wire::Text::program_id_mismatch);
                            host.destroy_image();
                          }),
              0);
  }
}

TEST(Wipe, TheArenaIsZeroWhenAProgramIsClosedAndWhenTheImageEnds) {
  for (const bool close : {true, false}) {
    Host host(large_sample(), tight_budget());
    host.load_everything();
    host.run_all(host.sample().input(0, 1), host.sample().input(1, 1));
    ASSERT_FALSE(is_zero(host.arena()));
    if (close) {
      ASSERT_EQ(host.send(host.close_program()).code, Code::ok);
    } else {
      host.destroy_image();
    }
    EXPECT_TRUE(is_zero(host.arena()));
  }
}

// A streamed weight that is not authentic leaves nothing of itself in the ring.
TEST(Wipe, ASpoiledPieceLeavesNothing) {
  const Sample& sample = large_sample();
  for (program::WeightId w = 0; w < sample.program().weights.size(); ++w) {
    Host host(sample, tight_budget());
    host.load_everything();
    const uint64_t bytes = sample.layout().sealed_bytes(w, 0);
    // The tag: the plaintext is right until the very end.
    host.part(host.regions().weights)[sample.layout().offset(w, 0) + bytes - 1] ^= std::byte{1};
    Outcome outcome = host.send(host.run_message(0, sample.input(0, 1)));
    if (outcome.code == Code::ok) outcome = host.send(host.run_message(1, sample.input(1, 1)));
    ASSERT_EQ(outcome.text, wire::Text::outside_not_authentic);
    const AlignedBuffer packed = sample.packed_weight(w);
    const ConstByteSpan first = packed.span().first(std::min<size_t>(packed.size(), 32));
    const ByteSpan arena = host.arena();
    EXPECT_EQ(std::search(arena.begin(), arena.end(), first.begin(), first.end()), arena.end())
        << w;
  }
}

}  // namespace
}  // namespace taoism::attack
