// What a segment gives away to questions. Where it answers with an affine function, y = J x + b, or
// with one seen through a rectifier, y = max(J x + b, 0), that function is found by solving linear
// equations:
//   affine    asked at 0 and at one step along each direction;
//   relu      each element of y is affine on the side where it is not 0. Of two points r and -r,
//   far from 0,
//             one is on that side, so the same is done around both (Jagielski et al., "High
//             accuracy and high fidelity extraction of neural networks", USENIX Security 2020,
//             section 5, of one layer);
//   region    an activation stands between, and the host moves what enters it: far enough from 0
//   all of
//             it is on the side where it changes nothing. Found is J around such points.
// An image to an image is taken for a convolution, of which a step for every channel and position
// of the stride tells everything; an image that only counts by its channels' means needs a step a
// channel. Thread-safety: one thread at a time.
#pragma once

#include <string>
#include <vector>

#include "segment_oracle.h"

namespace taoism::ask {

// How one output depends on one input.
struct Dependence {
  enum class Kind : uint8_t {
    dense,        // weights: [outputs, inputs]
    means,        // of an image's channels; weights: [outputs, channels]
    convolution,  // weights: [channels of the output, of the input, side, side], side = 2 * reach +
                  // 1: the tap (i, j) multiplies the input at (stride * y + i - reach, ...)
  };
  Kind kind = Kind::dense;
  size_t stride = 0;
  size_t reach = 0;
  std::vector<float> weights;
};

enum class Form : uint8_t { affine, relu, region };
const char* form_name(Form form);  // "affine", "relu", "region"

// One output of a segment, as it was found.
struct Recovered {
  Form form = Form::affine;
  bool is_rectified = false;       // what is below 0 is answered with 0
  std::vector<Dependence> inputs;  // in the segment's order
  std::vector<float> bias;         // one for each element of a row
  // On rows that were not used (of a region: in it): the largest difference to the TEE's answers
  // over the largest answer.
  double error = 0;

  // What it would answer.
  std::vector<float> answer(const Row& row, const std::vector<Crossing>& inputs,
                            const Crossing& output) const;
};

struct Findings {
  std::vector<Recovered> outputs;  // in the segment's order
  uint64_t rows = 0;               // asked to find them
  uint64_t calls = 0;
};

// Below this error a function counts as found.
inline constexpr double kFound = 1e-3;
// Rows that are asked to compare.
inline constexpr int kChecked = 8;

// Errors: the oracle's; resource_exhausted for a segment too large to be asked element by element.
Result<Findings> recover(SegmentOracle& oracle, size_t segment, uint64_t seed);

}  // namespace taoism::ask
