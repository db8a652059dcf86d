#include "ops/core/window.h"

#include <gtest/gtest.h>

#include "ops/core/evaluate_for_testing.h"

namespace taoism::ops {
namespace {

using Ints = std::vector<int64_t>;

TEST(Window, OneDimensionLivesInTheWidth) {
  const auto attrs = attrs_for_testing({{"strides", Ints{2}}, {"pads", Ints{3, 1}}});
  const Window window = *window_of(attrs, 1, Ints{5});
  EXPECT_EQ(window.kernel, (std::array<int64_t, 2>{1, 5}));
  EXPECT_EQ(window.stride, (std::array<int64_t, 2>{1, 2}));
  EXPECT_EQ(window.pad_begin, (std::array<int64_t, 2>{0, 3}));
  EXPECT_EQ(window.pad_end, (std::array<int64_t, 2>{0, 1}));
}

TEST(Window, PadsAreOnnxOrder) {
  const auto attrs = attrs_for_testing({{"pads", Ints{1, 2, 3, 4}}});
  const Window window = *window_of(attrs, 2, Ints{3, 3});
  EXPECT_EQ(window.pad_begin, (std::array<int64_t, 2>{1, 2}));
  EXPECT_EQ(window.pad_end, (std::array<int64_t, 2>{3, 4}));
}

TEST(Window, CeilModeDropsAWindowThatStartsInTheEndPadding) {
  Window window;
  window.kernel = {1, 2};
  window.stride = {1, 2};
  EXPECT_EQ(*window_output(window, 1, 5, false), 2);
  EXPECT_EQ(*window_output(window, 1, 5, true), 3);
  window.kernel = {1, 3};
  window.stride = {1, 3};
  window.pad_begin = window.pad_end = {0, 1};
  EXPECT_EQ(*window_output(window, 1, 9, true), 4);  // starts at 8 of 9
  window.stride = {1, 5};
  EXPECT_EQ(*window_output(window, 1, 4, true), 1);  // a second would start at 4 of 4
}

TEST(Window, CeilModeTakesAWindowThatReachesPastTheEndByLessThanAStride) {
  Window window;
  window.kernel = {1, 8};
  window.stride = {1, 8};
  EXPECT_EQ(*window_output(window, 1, 1, true), 1);
  EXPECT_FALSE(window_output(window, 1, 1, false).ok());
  window.stride = {1, 7};
  EXPECT_FALSE(window_output(window, 1, 1, true).ok());  // as many as a stride are missing
}

}  // namespace
}  // namespace taoism::ops
