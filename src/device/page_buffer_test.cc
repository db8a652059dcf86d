#include "device/page_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace taoism::device {
namespace {

TEST(PageBuffer, IsZeroedAlignedAndAllThere) {
  constexpr size_t kHugePage = size_t{2} << 20;
  for (const size_t bytes :
       {size_t{1}, size_t{4097}, kHugePage - 1, kHugePage, 5 * kHugePage + 3}) {
    PageBuffer buffer(bytes);
    const ByteSpan span = buffer.span();
    ASSERT_EQ(span.size(), bytes);
    EXPECT_EQ(
        reinterpret_cast<uintptr_t>(span.data()) % (bytes < kHugePage ? kAlignment : kHugePage), 0);
    EXPECT_TRUE(std::ranges::all_of(span, [](std::byte b) { return b == std::byte{0}; }));
    std::ranges::fill(span, std::byte{7});
    EXPECT_EQ(span.back(), std::byte{7});
  }
  EXPECT_TRUE(PageBuffer(0).span().empty());
}

}  // namespace
}  // namespace taoism::device
