// What a hostile device may write where a result belongs.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <random>
#include <span>

namespace taoism::attack {

struct HostileValues {
  const char* name;
  void (*write)(std::span<float> result);
};

template <uint32_t... kBits>
void write_bits(std::span<float> result) {
  constexpr uint32_t kPattern[] = {kBits...};
  for (size_t i = 0; i < result.size(); ++i) {
    result[i] = std::bit_cast<float>(kPattern[i % std::size(kPattern)]);
  }
}

template <uint32_t kSeed>
void write_random_bits(std::span<float> result) {
  std::mt19937 random(kSeed);
  for (float& value : result) value = std::bit_cast<float>(static_cast<uint32_t>(random()));
}

inline constexpr HostileValues kHostileValues[] = {
    {"QuietNan", write_bits<0x7fc00000>},
    {"SignallingNan", write_bits<0x7f800001>},
    {"NansWithEveryBit", write_bits<0xffffffff, 0x7fffffff, 0xff800001>},
    {"Infinity", write_bits<0x7f800000>},
    {"NegativeInfinity", write_bits<0xff800000>},
    {"InfinitiesOfBothSigns", write_bits<0x7f800000, 0xff800000>},
    {"SmallestDenormal", write_bits<0x00000001>},
    {"DenormalsOfBothSigns", write_bits<0x007fffff, 0x807fffff, 0x00000001>},
    {"Largest", write_bits<0x7f7fffff>},
    {"LargestOfBothSigns", write_bits<0x7f7fffff, 0xff7fffff>},
    {"NegativeZero", write_bits<0x80000000>},
    {"IntegersBeyondInt32", write_bits<0x4f000000, 0xcf000001, 0x5f000000>},
    {"RandomBits1", write_random_bits<1>},
    {"RandomBits2", write_random_bits<2>},
    {"OneNan", [](std::span<float> result) { write_bits<0x7fc00000>(result.first(1)); }},
    {"OneInfinityAtTheEnd",
     [](std::span<float> result) { write_bits<0x7f800000>(result.last(1)); }},
};

}  // namespace taoism::attack
