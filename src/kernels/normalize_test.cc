#include "kernels/normalize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace taoism::kernels {
namespace {

TEST(NormalizeRows, OfOneValueIsTheShift) {
  SerialParallel serial;
  for (const int64_t count : {1, 2, 8, 32}) {
    const std::vector<float> x(static_cast<size_t>(count), 27.3F), scale(x.size(), 2.0F),
        shift(x.size(), 1.0F);
    std::vector<float> y(x.size());
    normalize_rows({.rows = 1, .count = count, .epsilon = 1e-5F}, x.data(), scale.data(),
                   shift.data(), y.data(), serial);
    for (const float value : y) EXPECT_EQ(value, 1.0F) << count;
  }
}

TEST(NormalizeRows, FarFromZeroLoseNothing) {
  SerialParallel serial;
  constexpr int64_t kCount = 64;
  std::vector<float> x(kCount), y(kCount);
  for (int64_t i = 0; i < kCount; ++i) {
    x[static_cast<size_t>(i)] = 1000.0F + static_cast<float>(i % 2);  // a mean of 1000.5, exactly
  }
  normalize_rows({.rows = 1, .count = kCount}, x.data(), nullptr, nullptr, y.data(), serial);
  for (int64_t i = 0; i < kCount; ++i) {
    EXPECT_EQ(y[static_cast<size_t>(i)], i % 2 == 0 ? -1.0F : 1.0F);
  }
}

}  // namespace
}  // namespace taoism::kernels
