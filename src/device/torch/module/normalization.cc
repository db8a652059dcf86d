// LayerNormalization, RMSNormalization, GroupNormalization, LRN.
#include <ATen/ops/add.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/div.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/square.h>
#include <ATen/ops/sum.h>

#include <algorithm>

#include "device/torch/module/lowering.h"

namespace taoism::torch_module {
namespace {

std::vector<int64_t> row_of(const NodeContext& node) {
  const std::vector<int64_t> dims = dims_of(node.shape(0));
  int64_t axis = node.attrs().i("axis", -1);
  if (axis < 0) axis += static_cast<int64_t>(dims.size());
  return {dims.begin() + axis, dims.end()};
}

double epsilon_of(const NodeContext& node) {
  return static_cast<double>(node.attrs().f("epsilon", 1e-5F));
}

Kernel layer_norm(NodeContext& node) {
  return [row = row_of(node), epsilon = epsilon_of(node)](Inputs in, Outputs out) {
    const at::Tensor shift = in.size() > 2 ? in[2] : at::Tensor();
    out[0] = at::layer_norm(in[0], row, in[1], shift, epsilon);
  };
}

Kernel rms_norm(NodeContext& node) {
  std::vector<int64_t> axes;
  const auto count = static_cast<int64_t>(row_of(node).size());
  for (int64_t i = 1; i <= count; ++i) axes.push_back(-i);
  return [axes, epsilon = epsilon_of(node)](Inputs in, Outputs out) {
    const at::Tensor scale = at::rsqrt(at::add(at::mean(at::square(in[0]), axes, true), epsilon));
    out[0] = at::mul(at::mul(in[0], scale), in[1]);
  };
}

Kernel group_norm(NodeContext& node) {
  return
      [groups = node.attrs().i("num_groups"), epsilon = epsilon_of(node)](Inputs in, Outputs out) {
        out[0] = at::group_norm(in[0], groups, in[1], in[2], epsilon);
      };
}

// x / (bias + alpha * mean of the squares of the channels around)^beta: of an even number one more
// of them is behind than before, and what is beyond the ends counts as 0. In float64, as in `cpu`.
Kernel lrn(NodeContext& node) {
  const int64_t size = node.attrs().i("size"), channels = node.shape(0)[1];
  const int64_t before = std::min((size - 1) / 2, channels - 1);
  const int64_t behind = std::min(size / 2, channels - 1);
  std::vector<int64_t> pads(2 * (node.rank(0) - 1), 0);  // from the last dimension on
  pads[pads.size() - 2] = before;
  pads[pads.size() - 1] = behind;
  const double factor =
      static_cast<double>(node.attrs().f("alpha", 1e-4F)) / static_cast<double>(size);
  const double beta = node.attrs().f("beta", 0.75F), bias = node.attrs().f("bias", 1.0F);
  return [pads, around = before + behind + 1, factor, beta, bias](Inputs in, Outputs out) {
    const at::Tensor x = in[0].to(at::kDouble);
    const at::Tensor squares = at::constant_pad_nd(at::square(x), pads);
    const at::Tensor sum = at::sum(squares.unfold(1, around, 1), -1);
    const at::Tensor power = at::pow(at::add(at::mul(sum, factor), bias), beta);
    out[0] = at::div(x, power).to(at::kFloat);
  };
}

constexpr Lowering kLowerings[] = {
    {"LayerNormalization", layer_norm},
    {"RMSNormalization", rms_norm},
    {"GroupNormalization", group_norm},
    {"LRN", lrn},
};

}  // namespace

std::span<const Lowering> normalization_lowerings() { return kLowerings; }

}  // namespace taoism::torch_module
