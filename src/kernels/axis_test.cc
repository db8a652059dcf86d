#include "kernels/kernel_test_support.h"
#include "kernels/reduce.h"
#include "kernels/softmax.h"

namespace taoism::kernels {
namespace {

const AxisShape kShapes[] = {{1, 10, 1},    {64, 1000, 1}, {3, 7, 49},  {2, 3, 600},
                             {1, 1, 5},     {5, 33, 2},    {7, 16, 1},  {2, 15, 1},
                             {1, 9999, 1},  {40, 129, 1},  {2, 130, 9}, {1, 65, 3000},
                             {1, 70000, 1}, {300, 100, 1}, {1, 2, 1025}};

// function(x[o][:][i]) of every column, in the order of [outer][inner].
template <typename Function>
void for_each_column(const AxisShape& s, const std::vector<float>& x, Function&& function) {
  std::vector<double> column(static_cast<size_t>(s.axis));
  for (int64_t o = 0; o < s.outer; ++o) {
    for (int64_t i = 0; i < s.inner; ++i) {
      for (int64_t a = 0; a < s.axis; ++a) column[a] = x[(o * s.axis + a) * s.inner + i];
      function(o, i, column);
    }
  }
}

TEST(Softmax, EqualsReference) {
  for (const AxisShape& s : kShapes) {
    const auto x = Random(6).floats(s.outer * s.axis * s.inner, -30.0f, 30.0f);
    std::vector<Sum> want(x.size()), logarithm(x.size());
    for_each_column(s, x, [&](int64_t o, int64_t i, const std::vector<double>& column) {
      const double largest = *std::max_element(column.begin(), column.end());
      double total = 0;
      for (double v : column) total += std::exp(v - largest);
      for (int64_t a = 0; a < s.axis; ++a) {
        const size_t at = (o * s.axis + a) * s.inner + i;
        want[at].add(std::exp(column[a] - largest) / total);
        logarithm[at].add(column[a] - largest - std::log(total));
      }
    });
    for_each_target([&] {
      TestParallel parallel(2);
      std::vector<float> y = x;
      softmax(s, y.data(), y.data(), parallel);
      expect_close(y, want, {}, 1e-6);
      y = x;
      log_softmax(s, y.data(), y.data(), parallel);
      expect_close(y, logarithm, {}, 1e-6);
    });
  }
}

TEST(Softmax, KeepsExtremesApart) {
  const std::vector<float> x = {1000.0f, -INFINITY, 1000.0f, -1000.0f};
  for_each_target([&] {
    SerialParallel parallel;
    std::vector<float> y(4);
    softmax({1, 4, 1}, x.data(), y.data(), parallel);
    EXPECT_EQ(y, (std::vector<float>{0.5f, 0.0f, 0.5f, 0.0f}));
    softmax({1, 2, 2}, x.data(), y.data(), parallel);
    EXPECT_FLOAT_EQ(y[0] + y[2], 1.0f);
    EXPECT_EQ(y[3], 1.0f);
    log_softmax({1, 4, 1}, x.data(), y.data(), parallel);
    EXPECT_FLOAT_EQ(y[0], -std::log(2.0f));
    EXPECT_EQ(y[1], -INFINITY);
  });
}

constexpr Reduction kReductions[] = {
    Reduction::sum,     Reduction::mean,    Reduction::l1,  Reduction::l2,  Reduction::sum_square,
    Reduction::log_sum, Reduction::product, Reduction::max, Reduction::min, Reduction::log_sum_exp};

// In float64, with the magnitude by which its rounding is measured.
Sum reference(Reduction reduction, const std::vector<double>& column) {
  const auto count = static_cast<double>(column.size());
  double sum = 0, magnitudes = 0, squares = 0, product = 1, exponentials = 0;
  double largest = -INFINITY, smallest = INFINITY;
  for (double v : column) {
    largest = std::max(largest, v);
    smallest = std::min(smallest, v);
  }
  for (double v : column) {
    sum += v;
    magnitudes += std::fabs(v);
    squares += v * v;
    product *= v;
    exponentials += std::exp(v - largest);
  }
  switch (reduction) {
    case Reduction::sum: return {sum, magnitudes};
    case Reduction::mean: return {sum / count, magnitudes / count};
    case Reduction::l1: return {magnitudes, magnitudes};
    case Reduction::l2: return {std::sqrt(squares), std::sqrt(squares)};
    case Reduction::sum_square: return {squares, squares};
    case Reduction::log_sum: return {std::log(sum), 1 + magnitudes / sum};
    case Reduction::product: return {product, std::fabs(product) * count};
    case Reduction::max: return {largest, 0};
    case Reduction::min: return {smallest, 0};
    case Reduction::log_sum_exp: break;
  }
  return {std::log(exponentials) + largest, std::fabs(largest)};
}

TEST(Reduce, EqualsReference) {
  for (const AxisShape& s : kShapes) {
    for (const Reduction reduction : kReductions) {
      SCOPED_TRACE(testing::Message() << "reduction " << static_cast<int>(reduction) << " of "
                                      << s.outer << "x" << s.axis << "x" << s.inner);
      // Near 1, so that a product of many stays finite; sums of both signs.
      const bool positive = reduction == Reduction::product || reduction == Reduction::log_sum;
      const auto x = positive ? Random(7).floats(s.outer * s.axis * s.inner, 0.9f, 1.1f)
                              : Random(7).floats(s.outer * s.axis * s.inner, -3.0f, 3.0f);
      std::vector<Sum> want;
      for_each_column(s, x, [&](int64_t, int64_t, const std::vector<double>& column) {
        want.push_back(reference(reduction, column));
      });
      for_each_target([&] {
        TestParallel parallel(2);
        std::vector<float> y(want.size());
        reduce(reduction, s, x.data(), y.data(), parallel);
        expect_close(y, want, {}, 1e-6);
      });
    }
  }
}

TEST(Reduce, NanAndInfinitiesAndNothing) {
  for_each_target([&] {
    SerialParallel parallel;
    for (const int64_t count : {3, 16, 40, 200}) {
      for (int64_t at = 0; at < count; ++at) {
        std::vector<float> x(static_cast<size_t>(count), -INFINITY);
        float y = 0;
        reduce(Reduction::log_sum_exp, {1, count, 1}, x.data(), &y, parallel);
        EXPECT_EQ(y, -INFINITY);
        x[static_cast<size_t>(at)] = 5.0f;
        reduce(Reduction::max, {1, count, 1}, x.data(), &y, parallel);
        EXPECT_EQ(y, 5.0f);
        reduce(Reduction::log_sum_exp, {1, count, 1}, x.data(), &y, parallel);
        EXPECT_FLOAT_EQ(y, 5.0f);
        x[static_cast<size_t>(at)] = NAN;
        for (const Reduction reduction : kReductions) {
          reduce(reduction, {1, count, 1}, x.data(), &y, parallel);
          EXPECT_TRUE(std::isnan(y)) << static_cast<int>(reduction) << " at " << at;
        }
        std::vector<float> pairs;  // the same as the second of two columns
        for (const float v : x) pairs.insert(pairs.end(), {1.0f, v});
        for (const Reduction reduction : kReductions) {
          float both[2];
          reduce(reduction, {1, count, 2}, pairs.data(), both, parallel);
          EXPECT_TRUE(!std::isnan(both[0]) && std::isnan(both[1])) << static_cast<int>(reduction);
        }
      }
    }
    float y = 0;
    reduce(Reduction::sum, {1, 0, 1}, nullptr, &y, parallel);
    EXPECT_EQ(y, 0.0f);
    reduce(Reduction::product, {1, 0, 1}, nullptr, &y, parallel);
    EXPECT_EQ(y, 1.0f);
    reduce(Reduction::max, {1, 0, 1}, nullptr, &y, parallel);
    EXPECT_EQ(y, -INFINITY);
  });
}

}  // namespace
}  // namespace taoism::kernels
