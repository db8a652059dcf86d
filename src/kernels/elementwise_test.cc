#include "kernels/elementwise.h"

#include "kernels/kernel_test_support.h"
#include "kernels/softmax.h"

namespace taoism::kernels {
namespace {

constexpr int64_t kCounts[] = {1, 7, 8, 16, 31, 33, 64, 100, 4096, 40000};

double apply(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::add: return a + b;
    case BinaryOp::sub: return a - b;
    case BinaryOp::mul: return a * b;
    case BinaryOp::div: break;
  }
  return a / b;
}

constexpr BinaryOp kOps[] = {BinaryOp::add, BinaryOp::sub, BinaryOp::mul, BinaryOp::div};

Sum exact(double value) {
  Sum sum;
  sum.add(value);
  return sum;
}

TEST(Elementwise, ActivationsEqualReference) {
  Random random(1);
  for (int64_t count : kCounts) {
    const auto x = random.floats(count, -12.0f, 12.0f);
    std::vector<Sum> want;
    want.reserve(x.size());
    for (float v : x) want.push_back(exact(v));
    for (const Activation& activation : all_activations()) {
      for_each_target([&] {
        TestParallel parallel(2);
        std::vector<float> y = x;
        activate(y.data(), y.data(), count, activation, parallel);
        expect_close(y, want, activation, 1e-6);
      });
    }
  }
}

TEST(Elementwise, ActivationsOfExtremes) {
  const std::vector<float> x = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 200.0f, -200.0f, 0.0f};
  for (const Activation& activation : all_activations()) {
    for_each_target([&] {
      SerialParallel parallel;
      std::vector<float> y(x.size());
      activate(x.data(), y.data(), static_cast<int64_t>(x.size()), activation, parallel);
      EXPECT_TRUE(std::isnan(y[0]));
      for (size_t i = 1; i < x.size(); ++i) {
        const double want = reference_activation(x[i], activation);
        if (std::isnan(want)) continue;  // -inf * 0
        if (std::isinf(want)) {
          EXPECT_EQ(y[i], want);
        } else {
          EXPECT_NEAR(y[i], want, 1e-6 * (1 + std::abs(want)));
        }
      }
    });
  }
}

TEST(Elementwise, BinaryEqualsReference) {
  Random random(2);
  size_t turn = 0;
  for (int64_t count : kCounts) {
    const auto a = random.floats(count);
    const auto b = random.floats(count, 0.5f, 2.0f);
    for (BinaryOp op : kOps) {
      const Activation activation = all_activations()[turn++ % all_activations().size()];
      std::vector<Sum> want;
      for (size_t i = 0; i < a.size(); ++i) want.push_back(exact(apply(op, a[i], b[i])));
      for_each_target([&] {
        TestParallel parallel(2);
        std::vector<float> y(a.size());
        binary(op, a.data(), b.data(), y.data(), count, activation, parallel);
        expect_close(y, want, activation, 1e-6);
      });
    }
  }
}

// The strides of an operand whose dimensions are those of the result, or 1 where the bit is set.
int64_t operand(const BroadcastShape& s, unsigned ones, int64_t* strides) {
  int64_t elements = 1;
  for (int i = s.rank - 1; i >= 0; --i) {
    const bool one = (ones >> i & 1) != 0;
    strides[i] = one ? 0 : elements;
    if (!one) elements *= s.dims[i];
  }
  return elements;
}

TEST(Elementwise, BroadcastEqualsReference) {
  Random random(3);
  for (int turn = 0; turn < 200; ++turn) {
    BroadcastShape s;
    s.rank = static_cast<int>(random.integer(0, 5));
    int64_t count = 1;
    for (int i = 0; i < s.rank; ++i) {
      s.dims[i] = random.integer(1, turn % 10 == 0 ? 12 : 6);
      count *= s.dims[i];
    }
    const auto a =
        random.floats(operand(s, static_cast<unsigned>(random.integer(0, 31)), s.a_strides));
    auto b = random.floats(operand(s, static_cast<unsigned>(random.integer(0, 31)), s.b_strides),
                           0.5f, 2.0f);
    if (turn % 5 == 0 && s.rank == 2) {  // the other operand transposed
      b = random.floats(count, 0.5f, 2.0f);
      s.b_strides[0] = 1;
      s.b_strides[1] = s.dims[0];
    }
    const BinaryOp op = kOps[turn % 4];
    const Activation activation = all_activations()[static_cast<size_t>(turn) % 8];
    std::vector<Sum> want;
    for (int64_t i = 0; i < count; ++i) {
      int64_t rest = i;
      int64_t at_a = 0;
      int64_t at_b = 0;
      for (int d = s.rank - 1; d >= 0; --d) {
        at_a += rest % s.dims[d] * s.a_strides[d];
        at_b += rest % s.dims[d] * s.b_strides[d];
        rest /= s.dims[d];
      }
      want.push_back(exact(apply(op, a[at_a], b[at_b])));
    }
    for_each_target([&] {
      TestParallel parallel(2);
      std::vector<float> y(want.size());
      binary_broadcast(op, s, a.data(), b.data(), y.data(), activation, parallel);
      expect_close(y, want, activation, 1e-6);
    });
  }
}

TEST(Elementwise, LongBroadcastRows) {
  Random random(4);
  BroadcastShape s;
  s.rank = 2;
  s.dims[0] = 3;
  s.dims[1] = 40000;
  s.a_strides[0] = 40000;
  s.a_strides[1] = 1;
  s.b_strides[1] = 1;
  const auto a = random.floats(120000);
  const auto b = random.floats(40000);
  std::vector<Sum> want;
  for (size_t i = 0; i < a.size(); ++i) want.push_back(exact(a[i] - double{b[i % 40000]}));
  for_each_target([&] {
    TestParallel parallel(2);
    std::vector<float> y(a.size());
    binary_broadcast(BinaryOp::sub, s, a.data(), b.data(), y.data(), {}, parallel);
    expect_close(y, want, {}, 1e-6);
  });
}

TEST(Elementwise, ScaleShiftEqualsReference) {
  Random random(5);
  const int64_t shapes[][3] = {{1, 1, 1}, {3, 17, 1}, {2, 5, 49}, {1, 64, 3136}, {4, 3, 30}};
  size_t turn = 0;
  for (const auto& shape : shapes) {
    const int64_t outer = shape[0];
    const int64_t channels = shape[1];
    const int64_t inner = shape[2];
    const auto x = random.floats(outer * channels * inner);
    const auto scale = random.floats(channels);
    const auto shift = random.floats(channels);
    for (unsigned given = 0; given < 4; ++given) {
      const float* scales = (given & 1) != 0 ? scale.data() : nullptr;
      const float* shifts = (given & 2) != 0 ? shift.data() : nullptr;
      const Activation activation = all_activations()[turn++ % 8];
      std::vector<Sum> want;
      for (size_t i = 0; i < x.size(); ++i) {
        const int64_t c = static_cast<int64_t>(i) / inner % channels;
        Sum sum;
        sum.add(double{x[i]} * (scales != nullptr ? scales[c] : 1.0f));
        if (shifts != nullptr) sum.add(shifts[c]);
        want.push_back(sum);
      }
      for_each_target([&] {
        TestParallel parallel(2);
        std::vector<float> y(x.size());
        scale_shift(outer, channels, inner, x.data(), scales, shifts, y.data(), activation,
                    parallel);
        expect_close(y, want, activation, 1e-6);
      });
    }
  }
}

const AxisShape kAxisShapes[] = {{1, 10, 1},  {64, 1000, 1}, {3, 7, 49},
                                 {2, 3, 600}, {1, 1, 5},     {5, 33, 2}};

TEST(Softmax, EqualsReference) {
  for (const AxisShape& s : kAxisShapes) {
    Random random(6);
    const auto x = random.floats(s.outer * s.axis * s.inner, -30.0f, 30.0f);
    std::vector<Sum> want(x.size());
    std::vector<Sum> mean;
    for (int64_t o = 0; o < s.outer; ++o) {
      for (int64_t i = 0; i < s.inner; ++i) {
        const auto at = [&](int64_t a) {
          return static_cast<size_t>((o * s.axis + a) * s.inner + i);
        };
        double largest = -INFINITY;
        double total = 0;
        Sum sum;
        for (int64_t a = 0; a < s.axis; ++a) largest = std::max<double>(largest, x[at(a)]);
        for (int64_t a = 0; a < s.axis; ++a) total += std::exp(x[at(a)] - largest);
        for (int64_t a = 0; a < s.axis; ++a) {
          want[at(a)].add(std::exp(x[at(a)] - largest) / total);
          sum.add(double{x[at(a)]} / static_cast<double>(s.axis));
        }
        mean.push_back(sum);
      }
    }
    for_each_target([&] {
      TestParallel parallel(2);
      std::vector<float> y = x;
      softmax(s, y.data(), y.data(), parallel);
      expect_close(y, want, {}, 1e-6);
      std::vector<float> m(mean.size());
      reduce_mean(s, x.data(), m.data(), parallel);
      expect_close(m, mean, {}, 1e-6);
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
  });
}

}  // namespace
}  // namespace taoism::kernels
