#include "files/convert.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace taoism::files {
namespace {

template <typename T>
Tensor tensor(ir::DType dtype, const std::vector<T>& values) {
  Tensor made;
  made.desc = {dtype, {static_cast<int64_t>(values.size())}};
  made.data = AlignedBuffer(made.desc.bytes());
  T* to = made.data.as<T>();
  for (size_t i = 0; i < values.size(); ++i) to[i] = values[i];
  return made;
}

template <typename To, typename From>
void expect(ir::DType from, const std::vector<From>& values, ir::DType to,
            const std::vector<To>& wanted) {
  const Result<Tensor> got = convert_exactly(tensor<From>(from, values), to);
  ASSERT_TRUE(got.ok()) << got.status().message();
  EXPECT_EQ(got->desc.dtype, to);
  EXPECT_EQ(std::memcmp(got->data.data(), tensor<To>(to, wanted).data.data(), got->desc.bytes()),
            0);
}

template <typename From>
void refuse(ir::DType from, From value, ir::DType to) {
  const Result<Tensor> got = convert_exactly(tensor<From>(from, {From{}, value}), to);
  EXPECT_EQ(got.code(), Code::invalid_argument) << value << " as " << ir::dtype_name(to);
  EXPECT_NE(got.status().message().find("[1]"), std::string::npos);
}

using enum ir::DType;
constexpr double kTwo63 = 9223372036854775808.0;

TEST(Convert, KeepsEveryValue) {
  expect<float, double>(f64, {0.5, -0.0, INFINITY}, f32, {0.5F, -0.0F, INFINITY});
  expect<int32_t, int64_t>(i64, {-2147483648, 2147483647}, i32, {INT32_MIN, INT32_MAX});
  expect<float, int64_t>(i64, {1 << 24, -7}, f32, {16777216.0F, -7.0F});
  expect<int64_t, float>(f32, {-9223372036854775808.0F, 3.0F}, i64, {INT64_MIN, 3});
  expect<uint8_t, int64_t>(i64, {0, 255}, u8, {0, 255});
  expect<bool, int64_t>(i64, {0, 1}, boolean, {false, true});
  expect<float, bool>(boolean, {false, true}, f32, {0.0F, 1.0F});
}

TEST(Convert, KeepsNan) {
  const Result<Tensor> got = convert_exactly(tensor<double>(f64, {std::nan("")}), f32);
  ASSERT_TRUE(got.ok());
  EXPECT_TRUE(std::isnan(*got->data.as<float>()));
}

TEST(Convert, RefusesWhatWouldChange) {
  refuse<double>(f64, 0.1, f32);
  refuse<double>(f64, 1e300, f32);
  refuse<double>(f64, 0.5, i64);
  refuse<double>(f64, NAN, i64);
  refuse<double>(f64, INFINITY, i32);
  refuse<double>(f64, kTwo63, i64);
  refuse<int64_t>(i64, INT64_MAX, f32);
  refuse<int64_t>(i64, INT64_MAX, f64);
  refuse<int64_t>(i64, (1 << 24) + 1, f32);
  refuse<int64_t>(i64, 256, u8);
  refuse<int64_t>(i64, -1, u8);
  refuse<int64_t>(i64, 2, boolean);
  refuse<double>(f64, 0.5, boolean);
  refuse<float>(f32, 128, i8);
}

TEST(Convert, NamesOfTypes) {
  EXPECT_EQ(find_dtype("float32"), f32);
  EXPECT_EQ(find_dtype("bool"), boolean);
  EXPECT_FALSE(find_dtype("float").has_value());
}

}  // namespace
}  // namespace taoism::files
