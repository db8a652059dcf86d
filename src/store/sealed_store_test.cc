#include "store/sealed_store.h"

#include <algorithm>
#include <set>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "sample.h"

namespace taoism::store {
namespace {

using attack::large_sample;
using attack::tight_budget;
using Bytes = std::vector<std::byte>;

class SealedStoreTest : public ::testing::Test {
 protected:
  static constexpr size_t kThreads = 4;

  SealedStoreTest()
      : weights_(large_sample().sealed_weights()),
        spill_(spill_bytes(*large_sample().schedule(tight_budget()))),
        store_(open(large_sample().header())) {}

  std::unique_ptr<SealedStore> open(const StoreHeader& header) {
    return SealedStore::open(header, large_sample().layout(),
                             *large_sample().schedule(tight_budget()), weights_, spill_, kThreads)
        .value();
  }
  // True when the piece opens as what it is; false when it does not and `to` is wiped.
  static bool opens(SealedStore& store, program::WeightId w, uint32_t piece) {
    const AlignedBuffer packed = large_sample().packed_weight(w);
    const WeightLayout& layout = large_sample().layout();
    const ConstByteSpan right = packed.span().subspan(
        layout.begin(w, piece), layout.end(w, piece) - layout.begin(w, piece));
    Bytes got(right.size(), std::byte{0x5a});
    const bool ok = store.open_weight(w, piece, got, 0);
    if (ok) {
      EXPECT_TRUE(std::ranges::equal(got, right));
    } else {
      EXPECT_EQ(got, Bytes(got.size())) << "not wiped";
    }
    return ok;
  }
  // As opens(), of a spilled chunk that was `right`.
  static bool fetches(SealedStore& store, uint64_t chunk, const Bytes& right) {
    Bytes got(right.size(), std::byte{0x5a});
    const bool ok = store.fetch(chunk, got, 0);
    EXPECT_EQ(got, ok ? right : Bytes(right.size()));
    return ok;
  }
  std::byte* sealed(uint64_t chunk) { return spill_.data() + chunk * kSpillChunkBytes; }
  static Bytes tensor(size_t bytes, int seed) {
    Bytes data(bytes);
    for (size_t i = 0; i < bytes; ++i) data[i] = static_cast<std::byte>(i * 7 + i / 256 + seed);
    return data;
  }

  Bytes weights_;
  Bytes spill_;
  std::unique_ptr<SealedStore> store_;
};

TEST_F(SealedStoreTest, OpensEveryPiece) {
  for (program::WeightId w = 0; w < large_sample().program().weights.size(); ++w) {
    for (uint32_t piece = 0; piece < large_sample().layout().pieces(w); ++piece) {
      EXPECT_TRUE(opens(*store_, w, piece)) << w << ", piece " << piece;
    }
  }
}

TEST_F(SealedStoreTest, EveryByteOfTheHeaderCounts) {
  for (size_t at = 0; at < sizeof(StoreHeader); ++at) {
    StoreHeader header = large_sample().header();
    reinterpret_cast<std::byte*>(&header)[at] ^= std::byte{1};
    EXPECT_FALSE(opens(*open(header), 0, 0)) << at;
  }
}

// Whatever a chunk's additional data says is bound: sealed with any other, it does not open.
TEST_F(SealedStoreTest, EveryByteOfAChunksContextCounts) {
  const WeightLayout& layout = large_sample().layout();
  const StoreHeader& header = large_sample().header();
  crypto::ChunkCipher cipher = weight_cipher(header).value();
  const AlignedBuffer packed = large_sample().packed_weight(0);
  const ByteSpan place = ByteSpan(weights_).subspan(layout.offset(0, 0), layout.sealed_bytes(0, 0));
  const auto seal_as = [&](const ChunkContext& context) {
    ASSERT_TRUE(cipher
                    .seal(layout.counter(0, 0), object_bytes(context),
                          packed.span().first(layout.end(0, 0)), place)
                    .ok());
  };
  const ChunkContext right = weight_context(header, layout, 0, 0);
  seal_as(right);
  EXPECT_TRUE(opens(*store_, 0, 0));
  for (size_t at = 0; at < sizeof(ChunkContext); ++at) {
    ChunkContext context = right;
    reinterpret_cast<std::byte*>(&context)[at] ^= std::byte{1};
    seal_as(context);
    EXPECT_FALSE(opens(*store_, 0, 0)) << at;
  }
}

TEST_F(SealedStoreTest, ContextsSayWhatAPieceIs) {
  const WeightLayout& layout = large_sample().layout();
  const StoreHeader& header = large_sample().header();
  const ChunkContext context = weight_context(header, layout, 2, 1);
  EXPECT_EQ(context.store, header.id);
  EXPECT_EQ(context.kind, static_cast<uint32_t>(ChunkKind::weight));
  EXPECT_EQ(context.tensor, 2U);
  EXPECT_EQ(context.index, 1U);
  EXPECT_EQ(context.version, header.version);
  EXPECT_EQ(context.bytes, layout.end(2, 1) - layout.begin(2, 1));
}

TEST_F(SealedStoreTest, AnyChangedBitOfAPieceIsFound) {
  const WeightLayout& layout = large_sample().layout();
  const uint64_t bytes = layout.sealed_bytes(1, 0);
  for (uint64_t at = 0; at < bytes; at += 7) {
    weights_[layout.offset(1, 0) + at] ^= std::byte{2};
    EXPECT_FALSE(opens(*store_, 1, 0)) << at;
    weights_[layout.offset(1, 0) + at] ^= std::byte{2};
  }
  EXPECT_TRUE(opens(*store_, 1, 0));
}

TEST_F(SealedStoreTest, GivesBackWhatWasSpilledLast) {
  for (const size_t bytes : {size_t{1}, size_t{4096}, program::kPieceBytes}) {
    for (uint64_t chunk = 0; chunk < 3; ++chunk) {
      ASSERT_TRUE(store_->spill(chunk, tensor(bytes, static_cast<int>(chunk)), 0));
    }
    const Bytes last = tensor(bytes, 99);
    ASSERT_TRUE(store_->spill(1, last, 1));
    EXPECT_TRUE(fetches(*store_, 1, last));
    EXPECT_TRUE(fetches(*store_, 1, last)) << "a second time";
    EXPECT_TRUE(fetches(*store_, 0, tensor(bytes, 0)));
    EXPECT_TRUE(fetches(*store_, 2, tensor(bytes, 2)));
  }
}

TEST_F(SealedStoreTest, WhatWasNeverSpilledIsNotThere) {
  Bytes to(64);
  for (uint64_t chunk = 0; chunk < 4; ++chunk) EXPECT_FALSE(store_->fetch(chunk, to, 0));
  ASSERT_TRUE(store_->spill(1, to, 0));
  EXPECT_TRUE(store_->fetch(1, to, 0));
  EXPECT_FALSE(store_->fetch(2, to, 0));
  // Not even when the bytes of one that was are put there.
  std::copy_n(sealed(1), to.size() + crypto::kTagBytes, sealed(2));
  EXPECT_FALSE(store_->fetch(2, to, 0));
}

TEST_F(SealedStoreTest, WhatWasNeverSpilledLeavesNothingBehind) {
  Bytes to(64, std::byte{0x5a});
  EXPECT_FALSE(store_->fetch(0, to, 0));
  EXPECT_TRUE(std::all_of(to.begin(), to.end(), [](std::byte b) { return b == std::byte{}; }));
}

TEST_F(SealedStoreTest, AnOlderVersionIsFalse) {
  const Bytes data = tensor(1000, 1);
  ASSERT_TRUE(store_->spill(0, data, 0));
  const Bytes old(sealed(0), sealed(0) + data.size() + crypto::kTagBytes);
  ASSERT_TRUE(store_->spill(0, data, 0));
  const Bytes now(sealed(0), sealed(0) + data.size() + crypto::kTagBytes);
  EXPECT_NE(old, now);
  std::ranges::copy(old, sealed(0));
  EXPECT_FALSE(fetches(*store_, 0, data));
  std::ranges::copy(now, sealed(0));
  EXPECT_TRUE(fetches(*store_, 0, data));
}

TEST_F(SealedStoreTest, AnotherPlaceOrSizeIsFalse) {
  const Bytes data = tensor(1000, 1);
  ASSERT_TRUE(store_->spill(0, data, 0));
  ASSERT_TRUE(store_->spill(1, data, 0));
  const Bytes first(sealed(0), sealed(0) + kSpillChunkBytes);
  std::copy_n(sealed(1), kSpillChunkBytes, sealed(0));
  EXPECT_FALSE(fetches(*store_, 0, data));
  std::ranges::copy(first, sealed(1));
  EXPECT_FALSE(fetches(*store_, 1, data));
  std::ranges::copy(first, sealed(0));
  EXPECT_TRUE(fetches(*store_, 0, data));
  EXPECT_FALSE(fetches(*store_, 0, Bytes(999)));
  EXPECT_FALSE(fetches(*store_, 0, Bytes(1001)));
}

TEST_F(SealedStoreTest, AnyChangedBitOfASpilledChunkIsFound) {
  const Bytes data = tensor(200, 1);
  ASSERT_TRUE(store_->spill(0, data, 0));
  for (size_t bit = 0; bit < 8 * (data.size() + crypto::kTagBytes); ++bit) {
    sealed(0)[bit / 8] ^= std::byte(1 << (bit % 8));
    ASSERT_FALSE(fetches(*store_, 0, data)) << bit;
    sealed(0)[bit / 8] ^= std::byte(1 << (bit % 8));
  }
  EXPECT_TRUE(fetches(*store_, 0, data));
}

TEST_F(SealedStoreTest, EachStoreHasKeysOfItsOwn) {
  const Bytes data = tensor(200, 1);
  ASSERT_TRUE(store_->spill(0, data, 0));
  const auto other = open(large_sample().header());  // over the same memory
  Bytes to(data.size());
  EXPECT_FALSE(other->fetch(0, to, 0));
  const Bytes first(sealed(0), sealed(0) + data.size() + crypto::kTagBytes);
  ASSERT_TRUE(other->spill(0, data, 0));  // the first version of either
  const Bytes second(sealed(0), sealed(0) + data.size() + crypto::kTagBytes);
  EXPECT_NE(first, second);
  EXPECT_FALSE(fetches(*store_, 0, data));
  std::ranges::copy(first, sealed(0));
  EXPECT_FALSE(fetches(*other, 0, data));
  EXPECT_TRUE(fetches(*store_, 0, data));
}

// One plaintext, sealed many times by many threads: a nonce that came twice would give the same
// ciphertext twice.
TEST_F(SealedStoreTest, NoNonceComesTwice) {
  constexpr int kTimes = 2000;
  const Bytes data(64);
  std::vector<std::set<std::string>> seen(kThreads);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kTimes; ++i) {
        const uint64_t chunk = t * 2 + static_cast<uint64_t>(i % 2);
        ASSERT_TRUE(store_->spill(chunk, data, t));
        seen[t].emplace(reinterpret_cast<const char*>(sealed(chunk)), data.size());
        Bytes back(data.size());
        ASSERT_TRUE(store_->fetch(chunk, back, t));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<std::string> all;
  for (const std::set<std::string>& some : seen) all.insert(some.begin(), some.end());
  EXPECT_EQ(all.size(), kThreads * kTimes);
}

TEST(NewStore, IsFresh) {
  const StoreHeader one = new_store(3).value();
  const StoreHeader two = new_store(3).value();
  EXPECT_NE(one.id, two.id);
  EXPECT_NE(one.secret, two.secret);
  EXPECT_EQ(one.version, 3U);
}

}  // namespace
}  // namespace taoism::store
