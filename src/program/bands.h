// Bands: a stretch of instructions computed from its inputs to its last output in bands of rows, so
// that what lies between never exists whole. Rows at the border of two bands are computed twice.
// Trusted. Internal. Thread-safety: pure functions.
#pragma once

#include <map>
#include <tuple>

#include "program/analysis.h"

namespace taoism::program {

// One node for one band: its attributes, the rows of each input and of its output.
struct BandNode {
  ir::Attrs attrs;
  std::vector<ops::Rows> inputs;
  ops::Rows output;
};

// Whether nodes [begin, end) can be banded at all: all of them split rows, and nothing but the last
// one's output is needed after them.
bool can_band(const Analysis& analysis, Range32 nodes);

// The most bands that nodes [begin, end) can be cut into.
int64_t most_bands(const Analysis& analysis, Range32 nodes);

// Band `index` of `count`, by node of the stretch. Empty when an operator cannot compute such rows.
std::vector<BandNode> plan_band(const Analysis& analysis, Range32 nodes, int64_t count,
                                int64_t index);

// What a stretch in so many bands costs.
struct BandCost {
  bool is_possible = false;
  uint64_t band_bytes = 0;     // buffers of one band, of one image
  uint64_t whole_bytes = 0;    // its inputs and its output, whole, of one image
  uint64_t repeated_macs = 0;  // of one image
};
BandCost band_cost(const Analysis& analysis, Range32 nodes, int64_t count);

// band_cost() of one analysis, remembered: it is asked for the same again and again.
class BandCosts {
 public:
  explicit BandCosts(const Analysis& analysis) : analysis_(analysis) {}
  const BandCost& of(Range32 nodes, int64_t count);

 private:
  const Analysis& analysis_;
  std::map<std::tuple<uint32_t, uint32_t, int64_t>, BandCost> known_;
};

// Whether an input that comes from outside the stretch is used whole, without a copy.
bool uses_whole(const Analysis& analysis, SlotId slot, const ops::Rows& rows);

}  // namespace taoism::program
