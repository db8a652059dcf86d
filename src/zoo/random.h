// Random weights that are the same on every machine: integer arithmetic, and floating-point
// operations that IEEE 754 rounds exactly. Not for secrets.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace taoism::zoo {

// xoshiro256**, seeded by splitmix64 from a seed and a tensor's name.
class Random {
 public:
  Random(uint64_t seed, std::string_view name);

  uint64_t next();
  // Close to normal (the sum of eight uniform numbers) with mean 0.
  void fill_normal(std::span<float> values, double deviation);
  // Uniform; the bounds in thousandths.
  void fill_uniform(std::span<float> values, int64_t low_milli, int64_t high_milli, double factor);

 private:
  uint64_t state_[4];
};

}  // namespace taoism::zoo
