// The value of an element of one type as another's, for all of ONNX's numbers: what Cast computes
// when a model runs, and import in constants. Trusted. Thread-safety: pure functions.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "ir/half.h"
#include "ir/types.h"

namespace taoism::ops {

// A bool: one byte, of which hosts may send any; everything but 0 is true.
struct Flag {
  uint8_t byte = 0;
};

// Calls function(T()) for the C++ type of the elements.
template <typename Function>
decltype(auto) with_type(ir::DType dtype, Function&& function) {
  switch (dtype) {
    case ir::DType::f64: return function(double{});
    case ir::DType::f16: return function(ir::Half{});
    case ir::DType::bf16: return function(ir::Brain{});
    case ir::DType::i8: return function(int8_t{});
    case ir::DType::i16: return function(int16_t{});
    case ir::DType::i32: return function(int32_t{});
    case ir::DType::i64: return function(int64_t{});
    case ir::DType::u8: return function(uint8_t{});
    case ir::DType::u16: return function(uint16_t{});
    case ir::DType::u32: return function(uint32_t{});
    case ir::DType::u64: return function(uint64_t{});
    case ir::DType::boolean: return function(Flag{});
    case ir::DType::f32: break;
  }
  return function(float{});
}

// The number that an element is.
template <typename T>
constexpr auto number_of(T x) {
  if constexpr (std::is_same_v<T, Flag>) {
    return x.byte != 0;
  } else if constexpr (std::is_same_v<T, ir::Half> || std::is_same_v<T, ir::Brain>) {
    return ir::to_float(x);
  } else {
    return x;
  }
}

// The fraction is cut off. ONNX leaves open what a number becomes that does not fit, and NaN: here
// it is what x86 makes of it, and with it ONNX Runtime, PyTorch and numpy there. It is the least
// int32 (of 64 bits: the least int64), of which a narrower type takes the lower bits; unsigned
// types of 32 and 64 bits convert the upper half of their numbers apart.
template <typename To, typename Real>
constexpr To integer_of(Real x) {
  using Wide = std::conditional_t<sizeof(To) == 8, int64_t, int32_t>;
  constexpr Wide kLeast = std::numeric_limits<Wide>::min();
  constexpr Real kLimit = -static_cast<Real>(kLeast);
  const auto wide = [](Real v) {
    return v >= -kLimit && v < kLimit ? static_cast<Wide>(v) : kLeast;
  };
  if constexpr (std::is_unsigned_v<To> && sizeof(To) >= sizeof(Wide)) {
    if (x >= kLimit) return static_cast<To>(wide(x - kLimit)) ^ static_cast<To>(kLeast);
  }
  return static_cast<To>(wide(x));
}

// float32 from which float16 and bfloat16 are rounded as if from `x`: rounded to odd.
inline float before_rounding(double x) {
  const auto nearest = static_cast<float>(x);
  if (static_cast<double>(nearest) == x || x != x) return nearest;
  const auto bits = std::bit_cast<uint32_t>(nearest);
  const bool away = (nearest < 0 ? -nearest : nearest) > (x < 0 ? -x : x);
  return std::bit_cast<float>((away ? bits - 1 : bits) | 1);
}
inline float before_rounding(float x) { return x; }
// As everywhere, integers go through float32.
template <typename Integer>
float before_rounding(Integer x) {
  return static_cast<float>(x);
}

template <typename To, typename From>
To convert(From from) {
  const auto x = number_of(from);
  using Number = decltype(number_of(from));
  if constexpr (std::is_same_v<To, Flag>) {
    return Flag{x != Number{}};
  } else if constexpr (std::is_same_v<To, ir::Half>) {
    return ir::to_half(before_rounding(x));
  } else if constexpr (std::is_same_v<To, ir::Brain>) {
    return ir::to_brain(before_rounding(x));
  } else if constexpr (std::is_floating_point_v<Number> && std::is_integral_v<To>) {
    return integer_of<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

}  // namespace taoism::ops
