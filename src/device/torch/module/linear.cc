// Conv, Linear, MatMul, BatchNormalization.
#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/sqrt.h>

#include "device/torch/module/convolution.h"

namespace taoism::torch_module {
namespace {

Kernel conv(NodeContext& node) {
  constexpr size_t kX = 0, kW = 1, kBias = 2, kResidual = 3;
  Window window = window_of(node.attrs(), node.rank(kX));
  const Convolution convolution(node.take(kW), node.take(kBias), window, node.attrs().i("group", 1),
                                node.shape(kX), fused_of(node));
  return [convolution](Inputs in, Outputs out) {
    out[0] = convolution.run(in[kX], in.size() > kResidual ? in[kResidual] : at::Tensor());
  };
}

Kernel linear(NodeContext& node) {
  constexpr size_t kX = 0, kW = 1, kBias = 2;
  at::Tensor weight = node.take(kW);
  if (node.attrs().i("trans_w", 1) == 0) weight = weight.t().contiguous();
  return [weight, bias = node.take(kBias), activation = fused_of(node)](Inputs in, Outputs out) {
    out[0] = activate_own(at::linear(in[kX], weight, bias), activation);
  };
}

Kernel mat_mul(NodeContext&) {
  return [](Inputs in, Outputs out) { out[0] = at::matmul(in[0], in[1]); };
}

// As one multiplication and addition per element, with both factors found in float64.
Kernel batch_normalization(NodeContext& node) {
  const auto f64 = [&](size_t i) { return node.on_host(i).to(at::kDouble); };
  const at::Tensor scale =
      f64(1) / at::sqrt(f64(4) + static_cast<double>(node.attrs().f("epsilon", 1e-5F)));
  const at::Tensor shift = f64(2) - f64(3) * scale;
  std::vector<int64_t> dims(node.rank(0) - 1, 1);
  dims[0] = node.shape(0)[1];
  const auto ready = [&](const at::Tensor& t) {
    return node.to_device(t.to(at::kFloat).reshape(dims));
  };
  for (size_t i = 1; i < node.input_count(); ++i) node.leave_out(i);
  return [scale = ready(scale), shift = ready(shift)](Inputs in, Outputs out) {
    out[0] = at::addcmul(shift, in[0], scale);
  };
}

constexpr Lowering kLowerings[] = {
    {"Conv", conv},
    {"Linear", linear},
    {"MatMul", mat_mul},
    {"BatchNormalization", batch_normalization},
};

}  // namespace

std::span<const Lowering> linear_lowerings() { return kLowerings; }

}  // namespace taoism::torch_module
