// ConvTranspose as a Conv of stride 1, so that it runs, is split and is protected as one.
//
// By phases: with any shift h, 0 <= h < s, output o = q s + r - h of an axis of stride s is
//   y[o] = sum over i of x[i] w[(q - i) s + r - h + begin],  0 <= r < s,
// for each r a convolution of x with every s-th tap. One Conv computes the s phases as channels,
// and a Transpose lays them side by side; what lies before o = 0 is cut off. Its kernel has a place
// for each q - i at which some phase has a tap, the others have a zero there. h is chosen for the
// least work: for k = 4, s = 2, begin = 1 it is 1 (two taps, and an output to cut off), for k = 3
// it is 0.
//
// Where there is a dilation beside a stride, or a stride that no model has: zeros between the
// pixels (Reshape, Pad, Reshape), then a Conv with the weight turned round, which is also the case
// of stride 1.
#include <algorithm>

#include "onnx/node_import.h"
#include "onnx/shape_rules.h"

namespace taoism::onnx {
namespace {

constexpr int64_t kLimit = int64_t{1} << 20;
constexpr int64_t kMostPhases = 32;  // of an axis

struct Axis {
  int64_t in = 0, kernel = 0, stride = 1, dilation = 1, begin = 0, end = 0, extra = 0;
  int64_t span() const { return (kernel - 1) * dilation + 1; }
  // What the padding is taken from.
  int64_t full() const { return stride * (in - 1) + extra + span(); }
  int64_t out() const { return full() - begin - end; }
};

// How an axis is computed by phases: x[q - i] for lowest <= i <= highest.
struct PhaseAxis {
  int64_t shift = 0, lowest = 0, highest = 0, steps = 0;
  int64_t taps() const { return highest - lowest + 1; }
};

int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

// A stride of more than 1 comes without dilation.
PhaseAxis phase_axis(const Axis& axis) {
  const int64_t s = axis.stride;
  if (s == 1) {
    return {.lowest = -axis.begin, .highest = axis.span() - 1 - axis.begin, .steps = axis.out()};
  }
  PhaseAxis best;
  for (int64_t shift = 0; shift < s; ++shift) {
    PhaseAxis phases{.shift = shift, .steps = (axis.out() + shift + s - 1) / s};
    // The place of tap t is floor((t + shift - begin) / s), its phase the remainder.
    phases.lowest = floor_div(shift - axis.begin, s);
    phases.highest = floor_div(axis.kernel - 1 + shift - axis.begin, s);
    if (best.steps == 0 || phases.taps() * phases.steps < best.taps() * best.steps) best = phases;
  }
  return best;
}

// The list, or so many of `fallback`. Errors: one of another length or out of bounds.
Result<std::vector<int64_t>> list(NodeImport& node, const char* name, size_t count,
                                  int64_t fallback) {
  std::vector<int64_t> values = node.attrs.ints(name);
  if (values.empty()) values.assign(count, fallback);
  bool good = values.size() == count;
  for (const int64_t value : values) good = good && value >= fallback && value <= kLimit;
  if (good) return values;
  return invalid_argument(std::string(name) + " must have " + std::to_string(count) +
                          " elements of at least " + std::to_string(fallback) + ", got " +
                          list_text(values));
}

Result<std::vector<Axis>> axes_of(NodeImport& node) {
  const ir::Shape &x = node.shape(0), &w = node.shape(1);
  if (w.rank() < 3 || w.rank() > 4 || x.rank() != w.rank()) {
    return unsupported("x of " + x.text() + " and w of " + w.text() + ", only 1-D and 2-D is");
  }
  const size_t spatial = w.rank() - 2;
  std::vector<Axis> axes(spatial);
  TAOISM_ASSIGN_OR_RETURN(const auto strides, list(node, "strides", spatial, 1));
  TAOISM_ASSIGN_OR_RETURN(const auto dilations, list(node, "dilations", spatial, 1));
  TAOISM_ASSIGN_OR_RETURN(const auto extras, list(node, "output_padding", spatial, 0));
  TAOISM_ASSIGN_OR_RETURN(const auto pads, list(node, "pads", 2 * spatial, 0));
  const auto kernel = node.attrs.ints("kernel_shape");
  const auto wanted = node.attrs.ints("output_shape");
  const std::string auto_pad = node.attrs.s("auto_pad", "NOTSET");
  const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
  if (!wanted.empty() && wanted.size() != spatial) {
    return invalid_argument("output_shape must have " + std::to_string(spatial) + " elements");
  }
  for (size_t i = 0; i < spatial; ++i) {
    Axis& axis = axes[i];
    axis = {x[i + 2], w[i + 2], strides[i], dilations[i], pads[i], pads[spatial + i], extras[i]};
    if (axis.kernel < 1 || axis.kernel > kLimit || axis.in > kLimit ||
        (!kernel.empty() && (kernel.size() != spatial || kernel[i] != axis.kernel))) {
      return invalid_argument("kernel_shape " + list_text(kernel) + " of w " + w.text());
    }
    if (wanted.empty() && !same) continue;
    const int64_t out = wanted.empty() ? axis.in * axis.stride : wanted[i];
    if (out < 1 || out > kLimit * kLimit) return invalid_argument("output_shape is out of bounds");
    const int64_t total = axis.full() - out;
    // What an output has more than the input reaches is at its end.
    axis.begin = total < 0 ? 0 : auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
    axis.end = total - axis.begin;
  }
  return axes;
}

Status check_weight(NodeImport& node, int64_t groups) {
  const Tensor& w = node.input(1);
  const ir::Shape& shape = node.shape(1);
  if (!w.constant || node.desc(w).dtype != ir::DType::f32) {
    return unsupported("the weight must be a constant of float32");
  }
  if (groups < 1 || shape[0] % groups != 0 || shape[0] == 0) {
    return invalid_argument("group must divide " + std::to_string(shape[0]) + " channels, got " +
                            std::to_string(groups));
  }
  return {};
}

// w [C, M / groups, kernel] as a convolution's [M, C / groups, kernel], turned round.
Result<Tensor> turned(NodeImport& node, int64_t groups) {
  const Tensor& w = node.input(1);
  const ir::Shape& shape = node.shape(1);
  const int64_t in = shape[0] / groups, out = shape[1], kernel = shape.product(2, shape.rank());
  ir::Shape target = shape;
  target[0] = groups * out;
  target[1] = in;
  TAOISM_ASSIGN_OR_RETURN(const Fresh made, node.make_constant({ir::DType::f32, target}));
  auto* to = reinterpret_cast<float*>(made.data);
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t m = 0; m < out; ++m) {
      for (int64_t c = 0; c < in; ++c) {
        const float* from = w.constant->f32() + ((g * in + c) * out + m) * kernel;
        to = std::reverse_copy(from, from + kernel, to);
      }
    }
  }
  return node.made_from(w.name + ".turned", made.constant, {&w, 1});
}

Result<Tensor> padded(NodeImport& node, const Tensor& x, std::vector<int64_t> pads,
                      const char* suffix) {
  if (std::all_of(pads.begin(), pads.end(), [](int64_t pad) { return pad == 0; })) return x;
  ir::Attrs attrs;
  attrs.set("pads", std::move(pads));
  return node.emit("Pad", {x}, std::move(attrs), suffix);
}

// Every pixel followed by stride - 1 zeros along each axis.
Result<Tensor> spread(NodeImport& node, const std::vector<Axis>& axes) {
  const ir::Shape x = node.shape(0);
  ir::Shape split{x[0], x[1]}, joined = split;
  std::vector<int64_t> pads(2 * (2 + 2 * axes.size()), 0);
  for (size_t i = 0; i < axes.size(); ++i) {
    split.push_back(axes[i].in);
    split.push_back(1);
    joined.push_back(axes[i].in * axes[i].stride);
    pads[pads.size() / 2 + split.rank() - 1] = axes[i].stride - 1;
  }
  if (joined == x) return node.input(0);
  TAOISM_ASSIGN_OR_RETURN(Tensor y, node.reshape(node.input(0), split, "/split"));
  TAOISM_ASSIGN_OR_RETURN(y, padded(node, y, std::move(pads), "/spread"));
  return node.reshape(y, joined, "/join");
}

// Conv with the pads of each axis, of which negative ones are taken off x first.
Result<Tensor> convolved(NodeImport& node, Tensor x, const Tensor& w, const Tensor& bias,
                         std::vector<int64_t> pads, ir::Attrs attrs) {
  const size_t spatial = pads.size() / 2;
  if (std::any_of(pads.begin(), pads.end(), [](int64_t pad) { return pad < 0; })) {
    std::vector<int64_t> all(2 * (2 + spatial), 0);
    for (size_t i = 0; i < spatial; ++i) {
      all[2 + i] = pads[i];
      all[4 + spatial + i] = pads[spatial + i];
    }
    TAOISM_ASSIGN_OR_RETURN(x, padded(node, x, std::move(all), "/pad"));
    pads.assign(2 * spatial, 0);
  }
  const ir::Shape& shape = node.desc(w).shape;
  std::vector<int64_t> kernel;
  for (size_t i = 0; i < spatial; ++i) kernel.push_back(shape[2 + i]);
  attrs.set("kernel_shape", std::move(kernel));
  attrs.set("pads", std::move(pads));
  attrs.set("group", node.attrs.i("group", 1));
  return node.emit("Conv", {x, w, bias}, std::move(attrs));
}

Result<Tensor> with_zeros_between(NodeImport& node, const std::vector<Axis>& axes) {
  TAOISM_ASSIGN_OR_RETURN(const Tensor w, turned(node, node.attrs.i("group", 1)));
  TAOISM_ASSIGN_OR_RETURN(Tensor x, spread(node, axes));
  std::vector<int64_t> dilations, begins, ends;
  for (const Axis& axis : axes) {
    dilations.push_back(axis.dilation);
    begins.push_back(axis.span() - 1 - axis.begin);
    ends.push_back(axis.span() - 1 - axis.end + axis.extra - (axis.stride - 1));
  }
  begins.insert(begins.end(), ends.begin(), ends.end());
  ir::Attrs attrs;
  attrs.set("dilations", std::move(dilations));
  return convolved(node, x, w, node.has(2) ? node.input(2) : Tensor{}, std::move(begins),
                   std::move(attrs));
}

// w [C, M / groups, kernel] as [M, phases, C / groups, taps] in one, and bias as [M, phases].
struct Phases {
  Tensor w, bias;
};

// The tap of place `v` of phase r of an axis; out of [0, kernel) where it has none.
int64_t tap_at(const Axis& axis, const PhaseAxis& phases, int64_t r, int64_t v) {
  if (axis.stride == 1) return axis.kernel - 1 - v;
  return (phases.highest - v) * axis.stride + r - phases.shift + axis.begin;
}
// Places that a Conv's kernel has: its dilation is that of an axis without stride.
int64_t places(const Axis& axis, const PhaseAxis& phases) {
  return axis.stride == 1 ? axis.kernel : phases.taps();
}

Result<Phases> phases_of(NodeImport& node, std::span<const Axis> axes,
                         std::span<const PhaseAxis> by_phase) {
  const Tensor& w = node.input(1);
  const ir::Shape& shape = node.shape(1);
  const int64_t groups = node.attrs.i("group", 1);
  const int64_t in = shape[0] / groups, out = shape[1];
  const Axis one{.in = 1, .kernel = 1};
  const PhaseAxis no_phase{.steps = 1};
  const bool plane = axes.size() == 2;
  const Axis &high = plane ? axes[0] : one, &wide = axes.back();
  const PhaseAxis &high_phase = plane ? by_phase[0] : no_phase, &wide_phase = by_phase.back();
  const int64_t phases = high.stride * wide.stride;
  ir::Shape target{groups * out * phases, in};
  if (plane) target.push_back(places(high, high_phase));
  target.push_back(places(wide, wide_phase));
  TAOISM_ASSIGN_OR_RETURN(const Fresh made, node.make_constant({ir::DType::f32, target}));
  auto* to = reinterpret_cast<float*>(made.data);
  for (int64_t channel = 0; channel < groups * out * phases; ++channel) {
    const int64_t m = channel / phases % out, group = channel / phases / out;
    const int64_t r_high = channel % phases / wide.stride, r_wide = channel % wide.stride;
    for (int64_t c = group * in; c < (group + 1) * in; ++c) {
      const float* taps = w.constant->f32() + (c * out + m) * high.kernel * wide.kernel;
      for (int64_t v_high = 0; v_high < places(high, high_phase); ++v_high) {
        const int64_t y = tap_at(high, high_phase, r_high, v_high);
        for (int64_t v_wide = 0; v_wide < places(wide, wide_phase); ++v_wide) {
          const int64_t x = tap_at(wide, wide_phase, r_wide, v_wide);
          const bool has = y >= 0 && y < high.kernel && x >= 0 && x < wide.kernel;
          *to++ = has ? taps[y * wide.kernel + x] : 0.0F;
        }
      }
    }
  }
  Phases result{.w = node.made_from(w.name + ".phases", made.constant, {&w, 1}), .bias = {}};
  if (!node.has(2)) return result;
  const Tensor& bias = node.input(2);
  if (node.shape(2).elements() != groups * out) {
    return invalid_argument("bias must have " + std::to_string(groups * out) + " elements, got " +
                            node.shape(2).text());
  }
  TAOISM_ASSIGN_OR_RETURN(const Fresh repeated,
                          node.make_constant({ir::DType::f32, {groups * out * phases}}));
  auto* values = reinterpret_cast<float*>(repeated.data);
  for (int64_t i = 0; i < groups * out * phases; ++i) values[i] = bias.constant->f32()[i / phases];
  result.bias = node.made_from(bias.name + ".phases", repeated.constant, {&bias, 1});
  return result;
}

Result<Tensor> by_phases(NodeImport& node, std::span<const Axis> axes) {
  std::vector<PhaseAxis> by_phase;
  for (const Axis& axis : axes) by_phase.push_back(phase_axis(axis));
  TAOISM_ASSIGN_OR_RETURN(const Phases phases, phases_of(node, axes, by_phase));
  const int64_t groups = node.attrs.i("group", 1);
  std::vector<int64_t> pads, ends, dilations, starts, stops, crop_axes;
  ir::Shape split{node.shape(0)[0], groups * node.shape(1)[1]}, joined = split;
  for (size_t i = 0; i < axes.size(); ++i) {
    const Axis& axis = axes[i];
    const PhaseAxis& phase = by_phase[i];
    dilations.push_back(axis.dilation);  // 1 but where the stride is
    pads.push_back(phase.highest);
    ends.push_back(phase.steps - phase.lowest - axis.in);
    split.push_back(axis.stride);
    joined.push_back(phase.steps * axis.stride);
    if (axis.out() == phase.steps * axis.stride) continue;
    crop_axes.push_back(static_cast<int64_t>(2 + i));
    starts.push_back(phase.shift);
    stops.push_back(phase.shift + axis.out());
  }
  for (const PhaseAxis& phase : by_phase) split.push_back(phase.steps);
  pads.insert(pads.end(), ends.begin(), ends.end());
  ir::Attrs attrs, order;
  attrs.set("dilations", std::move(dilations));
  TAOISM_ASSIGN_OR_RETURN(Tensor y, convolved(node, node.input(0), phases.w, phases.bias,
                                              std::move(pads), std::move(attrs)));
  TAOISM_ASSIGN_OR_RETURN(y, node.reshape(y, split, "/split"));
  order.set("perm", axes.size() == 2 ? std::vector<int64_t>{0, 1, 4, 2, 5, 3}
                                     : std::vector<int64_t>{0, 1, 3, 2});
  TAOISM_ASSIGN_OR_RETURN(y, node.emit("Transpose", {y}, std::move(order), "/interleave"));
  TAOISM_ASSIGN_OR_RETURN(y, node.reshape(y, joined, "/join"));
  if (crop_axes.empty()) return y;
  ir::Attrs crop;
  crop.set("axes", std::move(crop_axes));
  crop.set("starts", std::move(starts));
  crop.set("ends", std::move(stops));
  return node.emit("Slice", {y}, std::move(crop), "/crop");
}

Status import_conv_transpose(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(2));
  TAOISM_ASSIGN_OR_RETURN(const std::vector<Axis> axes, axes_of(node));
  TAOISM_RETURN_IF_ERROR(check_weight(node, node.attrs.i("group", 1)));
  bool strided = false, fits = true;
  for (const Axis& axis : axes) {
    strided = strided || axis.stride > 1;
    fits = fits && axis.stride <= kMostPhases && (axis.stride == 1 || axis.dilation == 1) &&
           axis.out() > 0;
  }
  const bool bias_is_known =
      !node.has(2) || (node.input(2).constant != nullptr && node.shape(2).rank() == 1 &&
                       node.desc(node.input(2)).dtype == ir::DType::f32);
  const bool phased = strided && fits && bias_is_known;
  TAOISM_ASSIGN_OR_RETURN(Tensor y,
                          phased ? by_phases(node, axes) : with_zeros_between(node, axes));
  return node.give(std::move(y));
}

constexpr ImportEntry kImports[] = {{"ConvTranspose", import_conv_transpose}};

}  // namespace

std::span<const ImportEntry> conv_transpose_imports() { return kImports; }

}  // namespace taoism::onnx
