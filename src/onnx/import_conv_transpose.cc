// ConvTranspose as what it is equal to: zeros between the pixels (Reshape, Pad, Reshape), then a
// Conv of stride 1 with the weight turned round.
#include <algorithm>

#include "onnx/node_import.h"
#include "onnx/shape_rules.h"

namespace taoism::onnx {
namespace {

constexpr int64_t kLimit = int64_t{1} << 20;

struct Axis {
  int64_t in = 0, kernel = 0, stride = 1, dilation = 1, begin = 0, end = 0, extra = 0;
  int64_t span() const { return (kernel - 1) * dilation + 1; }
  // What the padding is taken from.
  int64_t full() const { return stride * (in - 1) + extra + span(); }
};

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

// w [C, M / groups, kernel] as a convolution's [M, C / groups, kernel], turned round.
Result<Tensor> turned(NodeImport& node, int64_t groups) {
  const Tensor& w = node.input(1);
  const ir::Shape& shape = node.shape(1);
  if (!w.constant || node.desc(w).dtype != ir::DType::f32) {
    return unsupported("the weight must be a constant of float32");
  }
  if (groups < 1 || shape[0] % groups != 0 || shape[0] == 0) {
    return invalid_argument("group must divide " + std::to_string(shape[0]) + " channels, got " +
                            std::to_string(groups));
  }
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
  return Tensor{.name = w.name + ".turned", .constant = made.constant};
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

Status import_conv_transpose(NodeImport& node) {
  TAOISM_RETURN_IF_ERROR(node.expect_inputs(2));
  const int64_t groups = node.attrs.i("group", 1);
  TAOISM_ASSIGN_OR_RETURN(const std::vector<Axis> axes, axes_of(node));
  TAOISM_ASSIGN_OR_RETURN(const Tensor w, turned(node, groups));
  TAOISM_ASSIGN_OR_RETURN(Tensor x, spread(node, axes));
  const size_t spatial = axes.size();
  std::vector<int64_t> kernel, dilations, pads(2 * spatial), grown(2 * (2 + spatial), 0);
  bool crops = false;
  for (size_t i = 0; i < spatial; ++i) {
    const Axis& axis = axes[i];
    kernel.push_back(axis.kernel);
    dilations.push_back(axis.dilation);
    pads[i] = axis.span() - 1 - axis.begin;
    pads[spatial + i] = axis.span() - 1 - axis.end + axis.extra - (axis.stride - 1);
    grown[2 + i] = pads[i];
    grown[4 + spatial + i] = pads[spatial + i];
    crops = crops || pads[i] < 0 || pads[spatial + i] < 0;
  }
  if (crops) {
    TAOISM_ASSIGN_OR_RETURN(x, padded(node, x, std::move(grown), "/pad"));
    pads.assign(2 * spatial, 0);
  }
  ir::Attrs attrs;
  attrs.set("kernel_shape", std::move(kernel));
  attrs.set("dilations", std::move(dilations));
  attrs.set("pads", std::move(pads));
  attrs.set("group", groups);
  TAOISM_ASSIGN_OR_RETURN(
      Tensor y,
      node.emit("Conv", {x, w, node.has(2) ? node.input(2) : Tensor{}}, std::move(attrs)));
  return node.give(std::move(y));
}

constexpr ImportEntry kImports[] = {{"ConvTranspose", import_conv_transpose}};

}  // namespace

std::span<const ImportEntry> conv_transpose_imports() { return kImports; }

}  // namespace taoism::onnx
