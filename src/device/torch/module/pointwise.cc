// Activations, arithmetic, and what goes along one axis.
#include <ATen/ops/add.h>
#include <ATen/ops/all.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/argmin.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/div.h>
#include <ATen/ops/eq.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logical_or.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <limits>

#include "device/torch/module/activation.h"

namespace taoism::torch_module {
namespace {

template <const char* const& kOp>
Kernel activation(NodeContext& node) {
  const auto found = ops::activation_of(kOp, node.attrs());
  TORCH_CHECK(found.has_value(), kOp, " is no activation");
  return [activation = *found](Inputs in, Outputs out) { out[0] = activate(in[0], activation); };
}

constexpr const char* kRelu = "Relu";
constexpr const char* kLeakyRelu = "LeakyRelu";
constexpr const char* kClip = "Clip";
constexpr const char* kSigmoid = "Sigmoid";
constexpr const char* kHardSigmoid = "HardSigmoid";
constexpr const char* kHardSwish = "HardSwish";
constexpr const char* kTanh = "Tanh";
constexpr const char* kCelu = "Celu";
constexpr const char* kElu = "Elu";
constexpr const char* kErf = "Erf";
constexpr const char* kGelu = "Gelu";
constexpr const char* kMish = "Mish";
constexpr const char* kSelu = "Selu";
constexpr const char* kSwish = "Swish";

using Binary = at::Tensor (*)(const at::Tensor&, const at::Tensor&);

at::Tensor add(const at::Tensor& a, const at::Tensor& b) { return at::add(a, b); }
at::Tensor sub(const at::Tensor& a, const at::Tensor& b) { return at::sub(a, b); }
at::Tensor mul(const at::Tensor& a, const at::Tensor& b) { return at::mul(a, b); }
// Integers: by -1 it is a negation, as a CPU's division refuses the smallest integer; by 0 it is
// anything.
at::Tensor quotient(const at::Tensor& a, const at::Tensor& b) {
  if (a.is_floating_point()) return at::div(a, b);
  const at::Tensor negates = at::eq(b, -1);
  const at::Tensor divisor = b.masked_fill(at::logical_or(at::eq(b, 0), negates), 1);
  return at::where(negates, at::neg(a), at::div(a, divisor, "trunc"));
}

template <Binary kFunction>
Kernel binary(NodeContext& node) {
  return [activation = fused_of(node)](Inputs in, Outputs out) {
    out[0] = activate_own(kFunction(in[0], in[1]), activation);
  };
}

Kernel div(NodeContext& node) {
  if (node.output().dtype == ir::DType::f32) return binary<quotient>(node);
  return [look = node.look(1, {})](Inputs in, Outputs out) {
    look(in[1]);
    out[0] = quotient(in[0], in[1]);
  };
}

int64_t axis_of(const NodeContext& node, int64_t fallback) {
  return node.attrs().i("axis", fallback);
}

Kernel softmax(NodeContext& node) {
  return [axis = axis_of(node, -1)](Inputs in, Outputs out) { out[0] = at::softmax(in[0], axis); };
}

Kernel log_softmax(NodeContext& node) {
  return
      [axis = axis_of(node, -1)](Inputs in, Outputs out) { out[0] = at::log_softmax(in[0], axis); };
}

using IndexOf = at::Tensor (*)(const at::Tensor&, std::optional<int64_t>, bool);

// A NaN is never chosen, as in `cpu`; PyTorch would choose it.
template <IndexOf kIndexOf, int kWorst>
Kernel arg(NodeContext& node) {
  const int64_t axis = axis_of(node, 0);
  const bool keep = node.attrs().i("keepdims", 1) != 0;
  const bool last = node.attrs().i("select_last_index", 0) != 0;
  return [axis, keep, last](Inputs in, Outputs out) {
    at::Tensor x = in[0];
    const at::Tensor none = x.is_floating_point() ? at::isnan(x) : at::Tensor();
    if (none.defined()) x = x.masked_fill(none, kWorst * std::numeric_limits<float>::infinity());
    if (last) x = x.flip(axis);
    out[0] = kIndexOf(x, axis, keep);
    if (!last) return;
    out[0] = at::sub(at::full_like(out[0], x.size(axis) - 1), out[0]);
    if (none.defined()) out[0] = out[0].masked_fill(at::all(none, axis, keep), 0);
  };
}

at::Tensor largest(const at::Tensor& x, std::optional<int64_t> axis, bool keep) {
  return at::argmax(x, axis, keep);
}
at::Tensor smallest(const at::Tensor& x, std::optional<int64_t> axis, bool keep) {
  return at::argmin(x, axis, keep);
}

// float32 in float64, as `cpu` adds it up.
Kernel cum_sum(NodeContext& node) {
  return [axis = axis_of(node, 0), exclusive = node.attrs().i("exclusive") != 0,
          reverse = node.attrs().i("reverse") != 0](Inputs in, Outputs out) {
    at::Tensor x = reverse ? in[0].flip(axis) : in[0];
    if (exclusive) {
      const at::Tensor first = at::zeros_like(x.narrow(axis, 0, 1));
      x = at::cat({first, x.narrow(axis, 0, x.size(axis) - 1)}, axis);
    }
    const at::ScalarType sum = x.is_floating_point() ? at::kDouble : x.scalar_type();
    const at::Tensor y = at::cumsum(x, axis, sum).to(x.scalar_type());
    out[0] = reverse ? y.flip(axis) : y;
  };
}

Kernel reduce_mean(NodeContext& node) {
  const auto given = node.attrs().ints("axes");
  std::vector<int64_t> axes(given.begin(), given.end());
  for (size_t i = 0; given.empty() && i < node.rank(0); ++i) {
    axes.push_back(static_cast<int64_t>(i));
  }
  return [axes, keep = node.attrs().i("keepdims", 1) != 0](Inputs in, Outputs out) {
    out[0] = at::mean(in[0], axes, keep);
  };
}

constexpr Lowering kLowerings[] = {
    {"Relu", activation<kRelu>},
    {"LeakyRelu", activation<kLeakyRelu>},
    {"Clip", activation<kClip>},
    {"Sigmoid", activation<kSigmoid>},
    {"HardSigmoid", activation<kHardSigmoid>},
    {"HardSwish", activation<kHardSwish>},
    {"Tanh", activation<kTanh>},
    {"Celu", activation<kCelu>},
    {"Elu", activation<kElu>},
    {"Erf", activation<kErf>},
    {"Gelu", activation<kGelu>},
    {"Mish", activation<kMish>},
    {"Selu", activation<kSelu>},
    {"Swish", activation<kSwish>},
    {"LogSoftmax", log_softmax},
    {"Add", binary<add>},
    {"Sub", binary<sub>},
    {"Mul", binary<mul>},
    {"Div", div},
    {"Softmax", softmax},
    {"ArgMax", arg<largest, -1>},
    {"ArgMin", arg<smallest, 1>},
    {"CumSum", cum_sum},
    {"ReduceMean", reduce_mean},
};

}  // namespace

std::span<const Lowering> pointwise_lowerings() { return kLowerings; }

}  // namespace taoism::torch_module
