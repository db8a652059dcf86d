#include "runtime/tensors.h"

#include <cmath>
#include <limits>
#include <random>

namespace taoism::runtime {
namespace {

Difference tensor_difference(const ir::ConstTensorView& want, const ir::ConstTensorView& got) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  if (want.desc != got.desc) return {kNan, kNan};
  if (want.desc.dtype != ir::DType::f32) {
    bool same = std::memcmp(want.data, got.data, want.desc.bytes()) == 0;
    return same ? Difference{} : Difference{kNan, kNan};
  }
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  double absolute = 0;
  for (int64_t i = 0, n = want.desc.shape.elements(); i < n; ++i) {
    double w = want.f32()[i];
    double g = got.f32()[i];
    if (w == g || (std::isnan(w) && std::isnan(g))) {
      // Equal, infinities too: only finite values have a distance and a range.
    } else if (!std::isfinite(w) || !std::isfinite(g)) {
      return {kNan, kNan};
    } else {
      absolute = std::max(absolute, std::abs(w - g));
    }
    if (std::isfinite(w)) {
      low = std::min(low, w);
      high = std::max(high, w);
    }
  }
  if (absolute == 0) return {};
  double range = high > low ? high - low : std::abs(high);
  return {absolute, range > 0 ? absolute / range : std::numeric_limits<double>::infinity()};
}

}  // namespace

Difference difference(std::span<const ir::ConstTensorView> want,
                      std::span<const ir::ConstTensorView> got) {
  TAOISM_CHECK(want.size() == got.size());
  Difference worst;
  for (size_t i = 0; i < want.size(); ++i) {
    Difference d = tensor_difference(want[i], got[i]);
    if (std::isnan(d.absolute)) return d;
    worst.absolute = std::max(worst.absolute, d.absolute);
    worst.relative = std::max(worst.relative, d.relative);
  }
  return worst;
}

void fill_normal(std::span<const ir::TensorView> tensors, uint64_t seed) {
  // Box-Muller by hand: std::normal_distribution differs between standard libraries.
  std::mt19937_64 random(seed);
  auto uniform = [&random] { return (static_cast<double>(random() >> 11) + 0.5) * 0x1p-53; };
  for (const ir::TensorView& tensor : tensors) {
    if (tensor.desc.dtype != ir::DType::f32) continue;
    for (int64_t i = 0, n = tensor.desc.shape.elements(); i < n; ++i) {
      double radius = std::sqrt(-2 * std::log(uniform()));
      tensor.f32()[i] = static_cast<float>(radius * std::cos(6.283185307179586 * uniform()));
    }
  }
}

}  // namespace taoism::runtime
