#include "kernels/sparse.h"

#include "kernels/kernel_test_support.h"

namespace taoism::kernels {
namespace {

struct Rows {
  std::vector<uint32_t> row_begin{0}, columns;
  std::vector<float> values;
  std::vector<float> dense;
  SparseRows view() const {
    return {static_cast<int64_t>(row_begin.size()) - 1, row_begin.data(), columns.data(),
            values.data()};
  }
};

// About one weight in five is kept; some rows are empty.
Rows random_rows(int64_t rows, int64_t columns, Random& random) {
  Rows r;
  r.dense.assign(static_cast<size_t>(rows * columns), 0.0f);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns && row % 3 != 1; ++column) {
      if (random.integer(0, 4) != 0) continue;
      r.columns.push_back(static_cast<uint32_t>(column));
      r.values.push_back(random.floats(1)[0]);
      r.dense[row * columns + column] = r.values.back();
    }
    r.row_begin.push_back(static_cast<uint32_t>(r.columns.size()));
  }
  return r;
}

TEST(Sparse, ConvolutionEqualsReference) {
  Random random(1);
  for (int turn = 0; turn < 60; ++turn) {
    Conv2dShape s;
    s.groups = turn % 4 == 0 ? 2 : 1;
    s.batch = random.integer(1, 3);
    s.in_channels = s.groups * random.integer(1, 4);
    s.out_channels = s.groups * random.integer(1, 4);
    s.in_h = random.integer(1, 12);
    s.in_w = random.integer(1, 24);
    s.kernel_h = random.integer(1, 4);
    s.kernel_w = random.integer(1, 4);
    s.stride_h = random.integer(1, 3);
    s.stride_w = random.integer(1, 3);
    s.pad_top = random.integer(0, 3);
    s.pad_left = random.integer(0, 3);
    s.dilation_h = random.integer(1, 2);
    s.dilation_w = random.integer(1, 2);
    s.out_h = turn % 3 == 0 ? s.in_h : random.integer(1, 12);
    s.out_w = turn % 3 == 0 ? s.in_w : random.integer(1, 12);
    if (turn % 3 == 0) {  // input and output of one size
      s.kernel_h = s.kernel_w = 3;
      s.stride_h = s.stride_w = s.dilation_h = s.dilation_w = s.pad_top = s.pad_left = 1;
    }
    const int64_t group_in = s.in_channels / s.groups;
    const int64_t columns = group_in * s.kernel_h * s.kernel_w;
    const Rows rows = random_rows(s.out_channels, columns, random);
    ASSERT_TRUE(sparse_rows_valid(rows.view(), rows.values.size(), static_cast<uint64_t>(columns)));
    const auto input = random.floats(s.batch * s.in_channels * s.in_h * s.in_w);
    const auto before = random.floats(s.batch * s.out_channels * s.out_h * s.out_w);
    std::vector<Sum> want;
    for (int64_t i = 0; i < static_cast<int64_t>(before.size()); ++i) {
      const int64_t x = i % s.out_w;
      const int64_t y = i / s.out_w % s.out_h;
      const int64_t o = i / s.out_w / s.out_h % s.out_channels;
      const int64_t n = i / s.out_w / s.out_h / s.out_channels;
      Sum sum;
      sum.add(before[i]);
      for (int64_t c = 0; c < columns; ++c) {
        const int64_t channel =
            o / (s.out_channels / s.groups) * group_in + c / s.kernel_w / s.kernel_h;
        const int64_t iy = y * s.stride_h - s.pad_top + c / s.kernel_w % s.kernel_h * s.dilation_h;
        const int64_t ix = x * s.stride_w - s.pad_left + c % s.kernel_w * s.dilation_w;
        if (iy < 0 || iy >= s.in_h || ix < 0 || ix >= s.in_w) continue;
        sum.add(double{input[((n * s.in_channels + channel) * s.in_h + iy) * s.in_w + ix]} *
                rows.dense[o * columns + c]);
      }
      want.push_back(sum);
    }
    for_each_target([&] {
      TestParallel parallel(1 + turn % 2);
      std::vector<float> got = before;
      sparse_conv2d_add(s, input.data(), rows.view(), got.data(), parallel);
      expect_close(got, want, {});
    });
  }
}

TEST(Sparse, LinearEqualsReference) {
  Random random(2);
  for (const LinearShape& s :
       {LinearShape{1, 600, 30}, LinearShape{9, 33, 7}, LinearShape{4, 1, 1}}) {
    const Rows rows = random_rows(s.out_features, s.in_features, random);
    const auto x = random.floats(s.rows * s.in_features);
    const auto before = random.floats(s.rows * s.out_features);
    std::vector<Sum> want;
    for (int64_t i = 0; i < s.rows * s.out_features; ++i) {
      Sum sum;
      sum.add(before[i]);
      for (int64_t k = 0; k < s.in_features; ++k) {
        sum.add(double{x[i / s.out_features * s.in_features + k]} *
                rows.dense[i % s.out_features * s.in_features + k]);
      }
      want.push_back(sum);
    }
    for_each_target([&] {
      TestParallel parallel(2);
      std::vector<float> got = before;
      sparse_linear_add(s, x.data(), rows.view(), got.data(), parallel);
      expect_close(got, want, {});
    });
  }
}

TEST(Sparse, RefusesBadRows) {
  const uint32_t columns[] = {0, 5, 2};
  const float values[] = {1, 2, 3};
  const uint32_t good[] = {0, 1, 3};
  EXPECT_TRUE(sparse_rows_valid({2, good, columns, values}, 3, 6));
  EXPECT_FALSE(sparse_rows_valid({2, good, columns, values}, 3, 5));
  EXPECT_FALSE(sparse_rows_valid({2, good, columns, values}, 2, 6));
  const uint32_t falling[] = {0, 4, 3};
  EXPECT_FALSE(sparse_rows_valid({2, falling, columns, values}, 3, 6));
  const uint32_t late[] = {1, 1, 3};
  EXPECT_FALSE(sparse_rows_valid({2, late, columns, values}, 3, 6));
}

}  // namespace
}  // namespace taoism::kernels
