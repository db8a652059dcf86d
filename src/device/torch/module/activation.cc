#include "device/torch/module/activation.h"

#include <ATen/ops/celu.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/elu.h>
#include <ATen/ops/erf.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/hardswish.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/mish.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/where.h>

namespace taoism::torch_module {

using kernels::Activation;
using kernels::ActivationKind;

// From here on some functions overflow on a CPU where they should be x.
constexpr double kLarge = 1e30;

template <typename Function>
at::Tensor unless_large(const at::Tensor& x, Function function) {
  return x.is_cpu() ? at::where(at::gt(x, kLarge), x, function(x)) : function(x);
}

Activation fused_of(const NodeContext& node) {
  const Result<Activation> activation = ops::fused_activation(node.attrs());
  TORCH_CHECK(activation.ok(), activation.status().message());
  return *activation;
}

at::Tensor activate(const at::Tensor& x, const Activation& activation) {
  switch (activation.kind) {
    case ActivationKind::relu: return at::relu(x);
    case ActivationKind::leaky_relu: return at::leaky_relu(x, activation.a);
    case ActivationKind::clip: return at::clamp(x, activation.a, activation.b);
    case ActivationKind::sigmoid: return at::sigmoid(x);
    case ActivationKind::hard_sigmoid:
      return at::mul(x, activation.a).add_(activation.b).clamp_(0, 1);
    case ActivationKind::hard_swish:
      return unless_large(x, [](const at::Tensor& v) { return at::hardswish(v); });
    case ActivationKind::tanh: return at::tanh(x);
    case ActivationKind::erf: return at::erf(x);
    case ActivationKind::gelu:
      return unless_large(x, [](const at::Tensor& v) { return at::gelu(v); });
    case ActivationKind::gelu_tanh: return at::gelu(x, "tanh");
    case ActivationKind::swish: return at::mul(x, at::sigmoid(at::mul(x, activation.a)));
    case ActivationKind::elu: return at::elu(x, activation.a, activation.b, 1);
    case ActivationKind::celu: return at::celu(x, activation.a);
    case ActivationKind::mish: return at::mish(x);
    case ActivationKind::none: break;
  }
  TORCH_CHECK(false, "unknown activation ", static_cast<int>(activation.kind));
}

at::Tensor activate_own(at::Tensor x, const Activation& activation) {
  switch (activation.kind) {
    case ActivationKind::none: return x;
    case ActivationKind::relu: return at::relu_(x);
    case ActivationKind::clip: return at::clamp_(x, activation.a, activation.b);
    case ActivationKind::hard_swish: return at::hardswish_(x);
    case ActivationKind::sigmoid: return at::sigmoid_(x);
    default: return activate(x, activation);
  }
}

}  // namespace taoism::torch_module
