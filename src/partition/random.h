// A seeded generator that gives the same numbers on every platform: for choices of a strategy that
// must be repeatable, never for keys or pads. (SplitMix64: Steele, Lea, Flood, OOPSLA 2014.)
// Host only. Thread-safety: one thread per object.
#pragma once

#include <cstddef>
#include <cstdint>

namespace taoism::partition {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    state_ += 0x9E3779B97F4A7C15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  // Uniform in [0, 1), a multiple of 2^-24: exact in a float.
  float unit() { return static_cast<float>(next() >> 40) * 0x1p-24F; }
  // In [0, bound), bound > 0; the bias is below bound / 2^32.
  size_t below(size_t bound) { return static_cast<size_t>((next() >> 32) * bound >> 32); }

 private:
  uint64_t state_;
};

}  // namespace taoism::partition
