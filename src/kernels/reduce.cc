#include "kernels/reduce.h"

#include <algorithm>
#include <cmath>

#include "kernels/spans.h"

namespace taoism::kernels {
namespace {

// Elements that are summed in float32 before their sum joins the others: bounds the rounding.
constexpr int64_t kRowBlock = 4096, kColumnBlock = 64;

Fold fold_of(Reduction reduction) {
  switch (reduction) {
    case Reduction::l1: return Fold::magnitudes;
    case Reduction::l2:
    case Reduction::sum_square: return Fold::squares;
    case Reduction::product: return Fold::product;
    case Reduction::max:
    case Reduction::log_sum_exp: return Fold::max;
    case Reduction::min: return Fold::min;
    case Reduction::sum:
    case Reduction::mean:
    case Reduction::log_sum: break;
  }
  return Fold::sum;
}

bool adds(Fold fold) {
  return fold == Fold::sum || fold == Fold::magnitudes || fold == Fold::squares;
}

// What becomes of a sum of `count` elements.
double finished(Reduction reduction, double folded, int64_t count) {
  switch (reduction) {
    case Reduction::mean: return folded / static_cast<double>(count);
    case Reduction::l2: return std::sqrt(folded);
    case Reduction::log_sum: return std::log(folded);
    default: return folded;
  }
}

// log(sum of exp(x)), where exp's arguments were shifted by the largest; that is all of it where it
// is infinite, or NaN.
float log_sum_of(float largest, double sum) {
  return std::isfinite(largest) ? static_cast<float>(std::log(sum) + largest) : largest;
}

double fold_row(Fold fold, const float* x, int64_t count) {
  if (!adds(fold)) return fold_span(fold, x, count);
  double sum = 0;
  for (int64_t i = 0; i < count; i += kRowBlock) {
    sum += fold_span(fold, x + i, std::min(kRowBlock, count - i));
  }
  return sum;
}

float reduce_row(Reduction reduction, const float* x, int64_t count) {
  const double folded = fold_row(fold_of(reduction), x, count);
  if (reduction != Reduction::log_sum_exp) {
    return static_cast<float>(finished(reduction, folded, count));
  }
  const auto largest = static_cast<float>(folded);
  double sum = 0;
  for (int64_t i = 0; i < count; i += kRowBlock) {
    sum += exp_span(x + i, largest, nullptr, std::min(kRowBlock, count - i));
  }
  return log_sum_of(largest, sum);
}

// take(rows from, how many, into) adds a block's rows to its sums; y gets the sums of all blocks.
template <typename Take>
void sum_columns(int64_t axis, int64_t count, float* y, Take&& take) {
  std::fill_n(y, count, 0.0f);
  if (axis <= kColumnBlock) return take(int64_t{0}, axis, y);
  float block[kAxisColumns];
  for (int64_t first = 0; first < axis; first += kColumnBlock) {
    std::fill_n(block, count, 0.0f);
    take(first, std::min(kColumnBlock, axis - first), block);
    fold_into_span(Fold::sum, block, {}, y, count);
  }
}

void reduce_columns(Reduction reduction, const float* x, const AxisShape& s, float* y,
                    int64_t count) {
  const Fold fold = fold_of(reduction);
  if (adds(fold)) {
    sum_columns(s.axis, count, y, [&](int64_t first, int64_t rows, float* into) {
      fold_into_span(fold, x + first * s.inner, {rows, s.inner}, into, count);
    });
  } else {
    std::fill_n(y, count, identity_of(fold));
    fold_into_span(fold, x, {s.axis, s.inner}, y, count);
  }
  if (reduction == Reduction::log_sum_exp) {
    float largest[kAxisColumns];
    std::copy_n(y, count, largest);
    sum_columns(s.axis, count, y, [&](int64_t first, int64_t rows, float* into) {
      exp_into_span(x + first * s.inner, {rows, s.inner}, largest, nullptr, into, count);
    });
    for (int64_t i = 0; i < count; ++i) y[i] = log_sum_of(largest[i], y[i]);
  } else if (reduction != Reduction::sum && adds(fold)) {
    for (int64_t i = 0; i < count; ++i) {
      y[i] = static_cast<float>(finished(reduction, y[i], s.axis));
    }
  }
}

}  // namespace

void reduce(Reduction reduction, const AxisShape& s, const float* x, float* y, Parallel& parallel) {
  if (s.inner == 1) {
    for_axis_rows(s.outer, s.axis, parallel,
                  [&](int64_t o) { y[o] = reduce_row(reduction, x + o * s.axis, s.axis); });
    return;
  }
  for_axis_columns(s, kAxisColumns, parallel, [&](int64_t outer, int64_t first, int64_t count) {
    reduce_columns(reduction, x + outer * s.axis * s.inner + first, s, y + outer * s.inner + first,
                   count);
  });
}

}  // namespace taoism::kernels
