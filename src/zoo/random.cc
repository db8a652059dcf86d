#include "zoo/random.h"

#include <bit>
#include <cmath>

namespace taoism::zoo {

Random::Random(uint64_t seed, std::string_view name) {
  uint64_t mix = 0xcbf29ce484222325;  // FNV-1a of the name
  for (const char c : name) mix = (mix ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  mix ^= seed * 0x9e3779b97f4a7c15;
  for (uint64_t& word : state_) {
    mix += 0x9e3779b97f4a7c15;
    uint64_t z = mix;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    word = z ^ (z >> 31);
  }
}

uint64_t Random::next() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

void Random::fill_normal(std::span<float> values, double deviation) {
  // Eight 16-bit numbers: their sum has mean 4 * 65535 and variance 8 * (65536^2 - 1) / 12.
  const double scale = deviation / std::sqrt(8.0 * (65536.0 * 65536.0 - 1) / 12.0);
  for (float& value : values) {
    int64_t sum = -4 * 65535;
    for (int draw = 0; draw < 2; ++draw) {
      const uint64_t bits = next();
      sum += static_cast<int64_t>((bits & 0xffff) + ((bits >> 16) & 0xffff) +
                                  ((bits >> 32) & 0xffff) + (bits >> 48));
    }
    value = static_cast<float>(static_cast<double>(sum) * scale);
  }
}

void Random::fill_uniform(std::span<float> values, int64_t low_milli, int64_t high_milli,
                          double factor) {
  for (float& value : values) {
    const auto part = static_cast<int64_t>(next() >> 48);
    const int64_t milli_65536 = low_milli * 65536 + (high_milli - low_milli) * part;
    value = static_cast<float>(static_cast<double>(milli_65536) / 65'536'000.0 * factor);
  }
}

}  // namespace taoism::zoo
