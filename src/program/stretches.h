// Stretches: how a program's instructions are grouped when not everything fits at once. Each
// stretch runs for a part of the batch after the other; within it some instructions run in bands of
// rows. Trusted. Internal. Thread-safety: pure functions.
#pragma once

#include "program/analysis.h"
#include "program/bands.h"

namespace taoism::program {

// One instruction, or several that run together in bands.
struct Item {
  Range32 nodes;
  int64_t bands = 1;
};

struct Stretch {
  uint32_t segment = 0;
  int64_t images = 1;  // in a part; the last part may have fewer
  std::vector<Item> items;
};

// Every segment whole.
std::vector<Stretch> whole_stretches(const Analysis& analysis);

// Every segment whole but for instructions whose activations no cache holds for the whole batch,
// and whose weights are less than those of one image: these run for few images after the other.
std::vector<Stretch> cached_stretches(const Analysis& analysis);

// The cheapest grouping whose activations need about `activation_bytes` at most, if weights are
// streamed for every part and tensors between stretches wait outside. Empty when there is none.
// `costs` is of the same analysis.
std::vector<Stretch> choose_stretches(const Analysis& analysis, BandCosts& costs,
                                      uint64_t activation_bytes);

// What costs are counted in: bytes that are sealed or opened.
inline constexpr double kBytesPerMac = 0.06;       // a multiply-add takes as long as so many
inline constexpr double kBytesPerStep = 8 * 1024;  // starting a kernel

}  // namespace taoism::program
