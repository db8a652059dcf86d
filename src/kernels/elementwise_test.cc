#include "kernels/elementwise.h"

#include <cfloat>

#include "kernels/kernel_test_support.h"

namespace taoism::kernels {
namespace {

constexpr int64_t kCounts[] = {1, 7, 8, 16, 31, 33, 64, 100, 4096, 40000};

double apply(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::add: return a + b;
    case BinaryOp::sub: return a - b;
    case BinaryOp::mul: return a * b;
    case BinaryOp::div: return a / b;
    case BinaryOp::min: return a < b ? a : b;
    case BinaryOp::max: return a > b ? a : b;
    case BinaryOp::prelu: break;
  }
  return a < 0 ? a * b : a;
}

constexpr BinaryOp kOps[] = {BinaryOp::add, BinaryOp::sub, BinaryOp::mul,  BinaryOp::div,
                             BinaryOp::min, BinaryOp::max, BinaryOp::prelu};

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
  const std::vector<float> x = {NAN,    INFINITY, -INFINITY, 1e30f,  -1e30f,  3e38f,
                                -3e38f, 88.0f,    -88.0f,    200.0f, -200.0f, 0.0f};
  for (const Activation& activation : all_activations()) {
    for_each_target([&] {
      SerialParallel parallel;
      std::vector<float> y(x.size());
      activate(x.data(), y.data(), static_cast<int64_t>(x.size()), activation, parallel);
      EXPECT_TRUE(std::isnan(y[0]));
      for (size_t i = 1; i < x.size(); ++i) {
        const auto want = static_cast<float>(reference_activation(x[i], activation));
        if (std::isnan(want)) {  // -inf * 0
          EXPECT_TRUE(std::isnan(y[i])) << x[i] << ": " << y[i];
        } else if (std::isinf(want)) {
          EXPECT_EQ(y[i], want);
        } else {
          EXPECT_NEAR(y[i], want, 1e-6 * (1 + double{std::abs(want)}));
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
    const BinaryOp op = kOps[turn % 7];
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

struct UnaryCase {
  UnaryOp op;
  double (*function)(double);
  bool exact;
};
constexpr UnaryCase kUnary[] = {
    {UnaryOp::abs, [](double x) { return std::fabs(x); }, true},
    {UnaryOp::neg, [](double x) { return -x; }, true},
    {UnaryOp::sqrt, [](double x) { return std::sqrt(x); }, true},
    {UnaryOp::reciprocal, [](double x) { return 1 / x; }, true},
    {UnaryOp::floor, [](double x) { return std::floor(x); }, true},
    {UnaryOp::ceil, [](double x) { return std::ceil(x); }, true},
    {UnaryOp::round, [](double x) { return std::nearbyint(x); }, true},
    {UnaryOp::sign, [](double x) { return x > 0   ? 1
                                          : x < 0 ? -1
                                                  : x; }, true},
    {UnaryOp::exp, [](double x) { return std::exp(x); }, false},
    {UnaryOp::log, [](double x) { return std::log(x); }, false},
    {UnaryOp::softplus,
     [](double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); },
     false},
    {UnaryOp::softsign, [](double x) { return x / (1 + std::fabs(x)); }, false}};

// Every magnitude, both signs, and what is at the edges.
TEST(Elementwise, UnaryEqualsReference) {
  std::vector<float> x = {NAN,  INFINITY, -INFINITY, 0.0f,    -0.0f,  0.5f,  -0.5f,
                          1.5f, 2.5f,     88.7f,     -88.7f,  1e-30f, 88.8f, -150.0f,
                          1.0f, -1.0f,    FLT_MAX,   FLT_MIN, 1e-41f, 100.0f};
  for (const float v : Random(8).floats(3000, -60.0f, 60.0f)) {
    x.push_back(v);
    x.push_back(std::exp2(v) * (v < 0 ? -1.0f : 1.0f));
    x.push_back(std::exp2(v));
  }
  for (const UnaryCase& c : kUnary) {
    SCOPED_TRACE(static_cast<int>(c.op));
    for_each_target([&] {
      TestParallel parallel(2);
      std::vector<float> y = x;
      unary(c.op, y.data(), y.data(), static_cast<int64_t>(x.size()), parallel);
      for (size_t i = 0; i < x.size(); ++i) {
        const auto want = static_cast<float>(c.function(x[i]));
        if (std::isnan(want)) {
          ASSERT_TRUE(std::isnan(y[i])) << "of " << x[i] << ": " << y[i];
        } else if (c.exact || std::isinf(want)) {
          ASSERT_EQ(y[i], want) << "of " << x[i];
        } else {
          ASSERT_NEAR(y[i], want, 1e-6 * std::fabs(want) + 1e-37) << "of " << x[i];
        }
      }
    });
  }
}

TEST(Elementwise, ExtremesOfTwoKeepNan) {
  const std::vector<float> a = {NAN, 1.0f, -1.0f, INFINITY, 2.0f};
  const std::vector<float> b = {1.0f, NAN, -2.0f, 1.0f, 3.0f};
  for_each_target([&] {
    SerialParallel parallel;
    std::vector<float> most(5), least(5);
    binary(BinaryOp::max, a.data(), b.data(), most.data(), 5, {}, parallel);
    binary(BinaryOp::min, a.data(), b.data(), least.data(), 5, {}, parallel);
    for (int i : {0, 1}) EXPECT_TRUE(std::isnan(most[i]) && std::isnan(least[i])) << i;
    EXPECT_EQ((std::vector<float>{most.begin() + 2, most.end()}),
              (std::vector<float>{-1.0f, INFINITY, 3.0f}));
    EXPECT_EQ((std::vector<float>{least.begin() + 2, least.end()}),
              (std::vector<float>{-2.0f, 1.0f, 2.0f}));
  });
}

}  // namespace
}  // namespace taoism::kernels
