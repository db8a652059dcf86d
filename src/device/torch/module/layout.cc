// What moves elements: Reshape, Transpose, Slice, Pad, Concat, Trilu, Resize.
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/tril.h>
#include <ATen/ops/triu.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "device/torch/module/lowering.h"

namespace taoism::torch_module {
namespace {

// Elements of one dimension, picked by index.
struct Pick {
  int64_t axis;
  at::Tensor index;
};

at::Tensor pick_all(at::Tensor x, const std::vector<Pick>& picks) {
  for (const Pick& pick : picks) x = at::index_select(x, pick.axis, pick.index);
  return x;
}

Kernel reshape(NodeContext& node) {
  return [dims = dims_of(node.output().shape)](Inputs in, Outputs out) {
    out[0] = in[0].reshape(dims);
  };
}

Kernel transpose(NodeContext& node) {
  const auto given = node.attrs().ints("perm");
  std::vector<int64_t> perm(given.begin(), given.end());
  if (!node.attrs().has("perm")) {
    for (size_t i = node.rank(0); i-- > 0;) perm.push_back(static_cast<int64_t>(i));
  }
  return [perm](Inputs in, Outputs out) { out[0] = in[0].permute(perm); };
}

Kernel concat(NodeContext& node) {
  return [axis = node.attrs().i("axis")](Inputs in, Outputs out) {
    out[0] = at::cat(at::TensorList(in.data(), in.size()), axis);
  };
}

// The first element that a slice takes of a dimension, as numpy clamps it.
int64_t first_of(int64_t start, int64_t dim, bool forward) {
  if (start < 0) start = start < -dim ? 0 : start + dim;
  return std::min(start, forward ? dim : dim - 1);
}

Kernel slice(NodeContext& node) {
  struct Range {
    int64_t axis, first, end, step;
  };
  const ir::Shape& x = node.shape(0);
  const auto starts = node.attrs().ints("starts"), axes = node.attrs().ints("axes"),
             steps = node.attrs().ints("steps");
  std::vector<Range> ranges;
  std::vector<Pick> picks;
  for (size_t i = 0; i < starts.size(); ++i) {
    const auto rank = static_cast<int64_t>(x.rank());
    int64_t axis = axes.empty() ? static_cast<int64_t>(i) : axes[i];
    if (axis < 0) axis += rank;
    const int64_t dim = x[static_cast<size_t>(axis)];
    const int64_t count = node.output().shape[static_cast<size_t>(axis)];
    const int64_t step = std::clamp(steps.empty() ? 1 : steps[i], -dim, dim);
    const int64_t first = first_of(starts[i], dim, step > 0);
    if (step > 0) {
      ranges.push_back({axis, first, first + (count - 1) * step + 1, step});
      continue;
    }
    std::vector<int64_t> index;
    for (int64_t k = 0; k < count; ++k) index.push_back(first + k * step);
    picks.push_back({axis, node.to_device(index)});
  }
  return [ranges, picks](Inputs in, Outputs out) {
    at::Tensor x = in[0];
    for (const Range& r : ranges) x = x.slice(r.axis, r.first, r.end, r.step);
    out[0] = pick_all(std::move(x), picks);
  };
}

Kernel pad(NodeContext& node) {
  const ir::Shape& x = node.shape(0);
  const auto pads = node.attrs().ints("pads");
  const std::string mode(node.attrs().s("mode", "constant"));
  if (mode == "constant") {
    std::vector<int64_t> from_last;
    for (size_t i = x.rank(); i-- > 0;) {
      from_last.push_back(pads[i]);
      from_last.push_back(pads[x.rank() + i]);
    }
    const at::Scalar value = node.output().dtype == ir::DType::f32
                                 ? at::Scalar(static_cast<double>(node.attrs().f("value")))
                                 : at::Scalar(node.attrs().i("integer"));
    return [from_last, value](Inputs in, Outputs out) {
      out[0] = at::constant_pad_nd(in[0], from_last, value);
    };
  }
  std::vector<Pick> picks;
  for (size_t axis = 0; axis < x.rank(); ++axis) {
    if (pads[axis] == 0 && pads[x.rank() + axis] == 0) continue;
    const int64_t dim = x[axis];
    std::vector<int64_t> index;
    for (int64_t i = -pads[axis]; i < dim + pads[x.rank() + axis]; ++i) {
      const int64_t reflected = i < 0 ? -i : i >= dim ? 2 * (dim - 1) - i : i;
      index.push_back(mode == "edge"   ? std::clamp<int64_t>(i, 0, dim - 1)
                      : mode == "wrap" ? (i % dim + dim) % dim
                                       : reflected);
    }
    picks.push_back({static_cast<int64_t>(axis), node.to_device(index)});
  }
  return [picks](Inputs in, Outputs out) { out[0] = pick_all(in[0], picks); };
}

Kernel trilu(NodeContext& node) {
  const ir::Shape& x = node.shape(0);
  const int64_t k = std::clamp(node.attrs().i("k", 0), -x[x.rank() - 2], x[x.rank() - 1]);
  return [k, upper = node.attrs().i("upper", 1) != 0](Inputs in, Outputs out) {
    out[0] = upper ? at::triu(in[0], k) : at::tril(in[0], k);
  };
}

// What each position of a resized dimension mixes: x[low] + (x[high] - x[low]) * weight.
struct Taps {
  std::vector<int64_t> low, high;
  std::vector<float> weight;
};

// Where output position `o` lies in the input, in float32 as ONNX Runtime computes it.
float source_position(int64_t o, int64_t in, int64_t out, float scale, std::string_view rule) {
  const auto position = static_cast<float>(o);
  if (rule == "asymmetric") return position / scale;
  if (rule == "align_corners") {
    return out > 1 ? position * static_cast<float>(in - 1) / static_cast<float>(out - 1) : 0.0F;
  }
  if (rule == "pytorch_half_pixel" && out <= 1) return 0.0F;
  return (position + 0.5F) / scale - 0.5F;
}

float round_by(float x, std::string_view rule) {
  if (rule == "round_prefer_ceil") return std::floor(x + 0.5F);
  if (rule == "floor") return std::floor(x);
  if (rule == "ceil") return std::ceil(x);
  return std::ceil(x - 0.5F);
}

Taps taps_of(const NodeContext& node, size_t axis, bool linear) {
  const int64_t in = node.shape(0)[axis], out = node.output().shape[axis];
  const auto scales = node.attrs().floats("scales");
  const float scale =
      scales.empty() ? static_cast<float>(out) / static_cast<float>(in) : scales[axis];
  const std::string_view rule = node.attrs().s("coordinate_transformation_mode", "half_pixel");
  const std::string_view rounding = node.attrs().s("nearest_mode", "round_prefer_floor");
  const auto last = static_cast<float>(in - 1);
  Taps taps;
  for (int64_t o = 0; o < out; ++o) {
    const float raw = source_position(o, in, out, scale, rule);
    const float x =
        std::clamp(linear ? raw : round_by(std::clamp(raw, -1.0F, last + 1), rounding), 0.0F, last);
    const auto low = static_cast<int64_t>(x);
    taps.low.push_back(low);
    taps.high.push_back(std::min(low + 1, in - 1));
    taps.weight.push_back(x - static_cast<float>(low));
  }
  return taps;
}

// One resized dimension on the device; `weight` is undefined for nearest.
struct ResizedAxis {
  int64_t axis;
  at::Tensor low, high, weight;
};

Kernel resize(NodeContext& node) {
  const bool linear = node.attrs().s("mode", "nearest") == "linear";
  const size_t rank = node.rank(0);
  std::vector<ResizedAxis> resized;
  // The width first: that is the order in which `cpu` mixes.
  for (size_t back = 1; back <= std::min<size_t>(rank, 2); ++back) {
    const size_t axis = rank - back;
    const Taps taps = taps_of(node, axis, linear);
    ResizedAxis& to = resized.emplace_back();
    to.axis = static_cast<int64_t>(axis);
    to.low = node.to_device(taps.low);
    if (!linear) continue;
    to.high = node.to_device(taps.high);
    std::vector<int64_t> dims(back, 1);
    dims[0] = static_cast<int64_t>(taps.weight.size());
    at::Tensor weight = at::empty(dims, at::kFloat);
    std::copy(taps.weight.begin(), taps.weight.end(), weight.mutable_data_ptr<float>());
    to.weight = node.to_device(weight);
  }
  return [resized](Inputs in, Outputs out) {
    at::Tensor x = in[0];
    for (const ResizedAxis& r : resized) {
      const at::Tensor low = at::index_select(x, r.axis, r.low);
      x = r.weight.defined() ? at::lerp(low, at::index_select(x, r.axis, r.high), r.weight) : low;
    }
    out[0] = x;
  };
}

constexpr Lowering kLowerings[] = {
    {"Reshape", reshape}, {"Transpose", transpose}, {"Slice", slice},   {"Pad", pad},
    {"Concat", concat},   {"Trilu", trilu},         {"Resize", resize},
};

}  // namespace

std::span<const Lowering> layout_lowerings() { return kLowerings; }

}  // namespace taoism::torch_module
