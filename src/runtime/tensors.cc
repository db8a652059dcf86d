#include "runtime/tensors.h"

#include <cmath>
#include <limits>
#include <random>

#include "ir/half.h"

namespace taoism::runtime {
namespace {

float element(const ir::ConstTensorView& tensor, int64_t i) {
  const auto* bits = reinterpret_cast<const uint16_t*>(tensor.data);
  if (tensor.desc.dtype == ir::DType::f16) return ir::to_float(ir::Half{bits[i]});
  if (tensor.desc.dtype == ir::DType::bf16) return ir::to_float(ir::Brain{bits[i]});
  return tensor.f32()[i];
}

void set_element(const ir::TensorView& tensor, int64_t i, float value) {
  auto* bits = reinterpret_cast<uint16_t*>(tensor.data);
  switch (tensor.desc.dtype) {
    case ir::DType::f16: bits[i] = ir::to_half(value).bits; break;
    case ir::DType::bf16: bits[i] = ir::to_brain(value).bits; break;
    default: tensor.f32()[i] = value;
  }
}

Difference tensor_difference(const ir::ConstTensorView& want, const ir::ConstTensorView& got) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  if (want.desc != got.desc) return {kNan, kNan};
  if (!is_real(want.desc.dtype)) {
    bool same = std::memcmp(want.data, got.data, want.desc.bytes()) == 0;
    return same ? Difference{} : Difference{kNan, kNan};
  }
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  double absolute = 0;
  for (int64_t i = 0, n = want.desc.shape.elements(); i < n; ++i) {
    double w = element(want, i);
    double g = element(got, i);
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

bool is_real(ir::DType dtype) { return unit_of(dtype) != 0; }

double unit_of(ir::DType dtype) {
  switch (dtype) {
    case ir::DType::f32: return 0x1p-23;
    case ir::DType::f16: return 0x1p-10;
    case ir::DType::bf16: return 0x1p-7;
    default: return 0;
  }
}

void fill_normal(std::span<const ir::TensorView> tensors, uint64_t seed) {
  // Box-Muller by hand: std::normal_distribution differs between standard libraries.
  std::mt19937_64 random(seed);
  auto uniform = [&random] { return (static_cast<double>(random() >> 11) + 0.5) * 0x1p-53; };
  for (const ir::TensorView& tensor : tensors) {
    if (!is_real(tensor.desc.dtype)) continue;
    for (int64_t i = 0, n = tensor.desc.shape.elements(); i < n; ++i) {
      double radius = std::sqrt(-2 * std::log(uniform()));
      set_element(tensor, i, static_cast<float>(radius * std::cos(6.283185307179586 * uniform())));
    }
  }
}

}  // namespace taoism::runtime
