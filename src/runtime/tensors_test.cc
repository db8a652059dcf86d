#include "runtime/tensors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace taoism::runtime {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

Difference of(const std::vector<float>& want, const std::vector<float>& got) {
  ir::TensorDesc desc{ir::DType::f32, {static_cast<int64_t>(want.size())}};
  ir::ConstTensorView a{desc, reinterpret_cast<const std::byte*>(want.data())};
  ir::ConstTensorView b{desc, reinterpret_cast<const std::byte*>(got.data())};
  return difference({&a, 1}, {&b, 1});
}

TEST(Difference, IsRelativeToTheRange) {
  EXPECT_EQ(of({1, 2, 3}, {1, 2, 3}).absolute, 0);
  EXPECT_DOUBLE_EQ(of({0, 4}, {1, 4}).absolute, 1);
  EXPECT_DOUBLE_EQ(of({0, 4}, {1, 4}).relative, 0.25);
  EXPECT_DOUBLE_EQ(of({2, 2}, {3, 2}).relative, 0.5);  // no range: over the magnitude
  EXPECT_TRUE(std::isinf(of({0, 0}, {1, 0}).relative));
}

TEST(Difference, NanAndInfinityMustBeInTheSamePlaces) {
  EXPECT_EQ(of({kNan, 1, kInf}, {kNan, 1, kInf}).absolute, 0);
  EXPECT_TRUE(std::isnan(of({1, 2}, {1, kNan}).absolute));
  EXPECT_TRUE(std::isnan(of({kNan, 2}, {1, 2}).absolute));
  EXPECT_TRUE(std::isnan(of({kInf, 2}, {-kInf, 2}).absolute));
}

TEST(Difference, OfHalvesIsTheNumbers) {
  const uint16_t want[] = {0x3C00, 0x4400}, got[] = {0x3C01, 0x4400};  // 1 and 4; 1 + 2^-10
  const ir::TensorDesc desc{ir::DType::f16, {2}};
  const ir::ConstTensorView a{desc, reinterpret_cast<const std::byte*>(want)};
  const ir::ConstTensorView b{desc, reinterpret_cast<const std::byte*>(got)};
  EXPECT_DOUBLE_EQ(difference({&a, 1}, {&b, 1}).absolute, 0x1p-10);
  EXPECT_LE(difference({&a, 1}, {&b, 1}).relative, unit_of(ir::DType::f16));
}

TEST(FillNormal, FillsHalves) {
  const std::vector<TensorSpec> specs = {{"h", {ir::DType::f16, {64}}},
                                         {"b", {ir::DType::bf16, {64}}}};
  Tensors made(specs);
  fill_normal(made.views(), 1);
  for (const ir::TensorView& tensor : made.views()) {
    const auto* bits = reinterpret_cast<const uint16_t*>(tensor.data);
    EXPECT_NE(bits[0], bits[1]);
  }
}

TEST(FillNormal, IsRepeatableAndNormal) {
  std::vector<TensorSpec> specs = {{"x", {ir::DType::f32, {20000}}}};
  Tensors a(specs), b(specs), c(specs);
  fill_normal(a.views(), 1);
  fill_normal(b.views(), 1);
  fill_normal(c.views(), 2);
  EXPECT_EQ(difference(a.const_views(), b.const_views()).absolute, 0);
  EXPECT_GT(difference(a.const_views(), c.const_views()).absolute, 0);
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < 20000; ++i) {
    double x = a.views()[0].f32()[i];
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / 20000, 0, 0.03);
  EXPECT_NEAR(squares / 20000, 1, 0.05);
}

}  // namespace
}  // namespace taoism::runtime
