// float16 and bfloat16 as their bits, and the float32 that they are: widening is exact, narrowing
// rounds to the nearest, ties to even, as IEEE 754 has it. Trusted. Thread-safety: pure functions.
#pragma once

#include <bit>
#include <cstdint>

namespace taoism::ir {

struct Half {
  uint16_t bits = 0;
};
struct Brain {
  uint16_t bits = 0;
};

constexpr float to_float(Half half) {
  const uint32_t sign = static_cast<uint32_t>(half.bits & 0x8000) << 16;
  const uint32_t exponent = (half.bits >> 10) & 31;
  const uint32_t mantissa = half.bits & 1023;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  const uint32_t widened = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | widened << 23 | mantissa << 13);
}

constexpr float to_float(Brain brain) {
  return std::bit_cast<float>(static_cast<uint32_t>(brain.bits) << 16);
}

constexpr Half to_half(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000;
  const uint32_t magnitude = bits & 0x7FFFFFFF;
  uint32_t half = 0;
  if (magnitude > 0x7F800000) {
    half = 0x7E00;  // NaN
  } else if (magnitude >= 0x477FF000) {
    half = 0x7C00;  // from 65520 on it is infinite
  } else if (magnitude < 0x38800000) {
    // Below 2^-14: adding 0.5, whose last place is 2^-24, rounds to the multiple of that.
    half = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3F000000;
  } else {
    half = (magnitude - 0x38000000 + 0xFFF + ((magnitude >> 13) & 1)) >> 13;
  }
  return {static_cast<uint16_t>(sign | half)};
}

constexpr Brain to_brain(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if (value != value) return {static_cast<uint16_t>((bits >> 16) | 0x40)};
  return {static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)};
}

}  // namespace taoism::ir
