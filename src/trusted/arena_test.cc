#include "trusted/arena.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace taoism::trusted {
namespace {

TEST(Arena, GivesExactlyItsBudget) {
  AlignedBuffer memory(256);
  Arena arena(memory.span());
  EXPECT_FALSE(arena.carve(257).has_value());
  const auto all = arena.carve(256);
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(all->size(), 256U);
  EXPECT_FALSE(arena.carve(1).has_value());
  EXPECT_EQ(arena.peak_bytes(), 256U);
}

TEST(Arena, ReusesGapsAndKeepsThePeak) {
  AlignedBuffer memory(320);
  Arena arena(memory.span());
  const ByteSpan a = arena.carve(100).value();
  const ByteSpan b = arena.carve(100).value();
  EXPECT_EQ(b.data() - a.data(), 128);
  std::fill(a.begin(), a.end(), std::byte{0x77});
  arena.release(a);
  EXPECT_TRUE(std::all_of(a.begin(), a.end(), [](std::byte x) { return x == std::byte{0}; }));
  EXPECT_EQ(arena.used_bytes(), 100U);
  EXPECT_EQ(arena.peak_bytes(), 200U);
  EXPECT_EQ(arena.carve(128).value().data(), a.data());
  EXPECT_EQ(arena.carve(64).value().data(), memory.data() + 256);
  EXPECT_FALSE(arena.carve(1).has_value());
}

TEST(Arena, WipesWhatIsLeftAtItsEnd) {
  AlignedBuffer memory(256);
  {
    Arena arena(memory.span());
    const ByteSpan a = arena.carve(100).value();
    std::fill(a.begin(), a.end(), std::byte{0x77});
    const ByteSpan b = arena.carve(64).value();
    std::fill(b.begin(), b.end(), std::byte{0x77});
  }
  EXPECT_TRUE(std::all_of(memory.data(), memory.data() + memory.size(),
                          [](std::byte x) { return x == std::byte{0}; }));
}

TEST(Arena, OfNothingCarvesNothing) {
  Arena arena((ByteSpan()));
  EXPECT_TRUE(arena.carve(0).has_value());
  EXPECT_FALSE(arena.carve(1).has_value());
}

TEST(Arena, RefusesSizesThatWouldOverflow) {
  AlignedBuffer memory(128);
  Arena arena(memory.span());
  ASSERT_TRUE(arena.carve(64).has_value());
  EXPECT_FALSE(arena.carve(~uint64_t{0}).has_value());
  EXPECT_FALSE(arena.carve(~uint64_t{0} - 63).has_value());
}

}  // namespace
}  // namespace taoism::trusted
