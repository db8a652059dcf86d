// Small random models over rows: what keeps rows apart and what mixes them, in any order. The
// numbers are small integers, so that most sums are exact and a wrong row shows at once. What a
// seed gives is the same everywhere.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "files/tensor_file.h"

namespace taoism::rows {

// Where everything random comes from (splitmix64).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // In [low, high].
  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(next() % static_cast<uint64_t>(high - low + 1));
  }
  // True once in `times`.
  bool once_in(int64_t times) { return between(1, times) == 1; }
  template <typename T>
  const T& of(const std::vector<T>& all) {
    return all[static_cast<size_t>(between(0, static_cast<int64_t>(all.size()) - 1))];
  }

 private:
  uint64_t state_;
};

struct RandomModel {
  std::string onnx;                   // the file
  std::vector<std::string> names;     // of the inputs
  std::vector<files::Tensor> inputs;  // of `rows` rows
  std::string text;                   // its operators, for a message
};

// A model, and inputs of `rows` rows. It may be one that does not run at that many.
RandomModel make_model(Random& random, int64_t rows);

}  // namespace taoism::rows
