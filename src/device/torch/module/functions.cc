// Functions of one or two tensors, comparisons, choices, and reductions of ONNX.
#include <ATen/ops/abs.h>
#include <ATen/ops/acos.h>
#include <ATen/ops/acosh.h>
#include <ATen/ops/add.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/amin.h>
#include <ATen/ops/asin.h>
#include <ATen/ops/asinh.h>
#include <ATen/ops/atan.h>
#include <ATen/ops/atanh.h>
#include <ATen/ops/ceil.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/cosh.h>
#include <ATen/ops/div.h>
#include <ATen/ops/eq.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/floor.h>
#include <ATen/ops/fmod.h>
#include <ATen/ops/ge.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/le.h>
#include <ATen/ops/log.h>
#include <ATen/ops/logical_and.h>
#include <ATen/ops/logical_not.h>
#include <ATen/ops/logical_or.h>
#include <ATen/ops/logical_xor.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/lt.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/ne.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/prod.h>
#include <ATen/ops/reciprocal.h>
#include <ATen/ops/remainder.h>
#include <ATen/ops/round.h>
#include <ATen/ops/sign.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/sinh.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/square.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/tan.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <limits>

#include "device/torch/module/lowering.h"

namespace taoism::torch_module {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

using Unary = at::Tensor (*)(const at::Tensor&);
using Binary = at::Tensor (*)(const at::Tensor&, const at::Tensor&);

template <Unary kFunction>
Kernel unary(NodeContext&) {
  return [](Inputs in, Outputs out) { out[0] = kFunction(in[0]); };
}

template <Binary kFunction>
Kernel binary(NodeContext&) {
  return [](Inputs in, Outputs out) { out[0] = kFunction(in[0], in[1]); };
}

Kernel where(NodeContext&) {
  return [](Inputs in, Outputs out) { out[0] = at::where(in[0], in[1], in[2]); };
}

Kernel p_relu(NodeContext&) {
  return [](Inputs in, Outputs out) {
    out[0] = at::where(at::lt(in[0], 0), at::mul(in[0], in[1]), in[0]);
  };
}

Kernel expand(NodeContext& node) {
  return [dims = dims_of(node.output().shape)](Inputs in, Outputs out) {
    out[0] = in[0].expand(dims);
  };
}

using Reduction = at::Tensor (*)(const at::Tensor&, at::IntArrayRef, bool);

template <Reduction kFunction>
Kernel reduce(NodeContext& node) {
  const auto given = node.attrs().ints("axes");
  std::vector<int64_t> axes(given.begin(), given.end());
  for (size_t i = 0; given.empty() && i < node.rank(0); ++i) {
    axes.push_back(static_cast<int64_t>(i));
  }
  return [axes, keep = node.attrs().i("keepdims", 1) != 0](Inputs in, Outputs out) {
    out[0] = kFunction(in[0], axes, keep);
  };
}

at::Tensor sum(const at::Tensor& x, at::IntArrayRef axes, bool keep) {
  return at::sum(x, axes, keep);
}
at::Tensor largest(const at::Tensor& x, at::IntArrayRef axes, bool keep) {
  return at::amax(x, axes, keep);
}
at::Tensor smallest(const at::Tensor& x, at::IntArrayRef axes, bool keep) {
  return at::amin(x, axes, keep);
}

// In float64, as `cpu` does: half of the factors may be far from the other half.
at::Tensor product(const at::Tensor& x, at::IntArrayRef axes, bool keep) {
  const at::ScalarType type = x.scalar_type();
  at::Tensor y = x.is_floating_point() ? x.to(at::kDouble) : x;
  for (const int64_t axis : axes) y = at::prod(y, axis, /*keepdim=*/true);
  if (!keep) y = y.squeeze(axes);
  return y.to(type);
}

at::Tensor magnitude_sum(const at::Tensor& x, at::IntArrayRef axes, bool keep) {
  return at::sum(at::abs(x), axes, keep);
}
at::Tensor square_sum(const at::Tensor& x, at::IntArrayRef axes, bool keep) {
  return at::sum(at::square(x), axes, keep);
}
at::Tensor length(const at::Tensor& x, at::IntArrayRef axes, bool keep) {
  return at::sqrt(square_sum(x, axes, keep));
}
at::Tensor log_sum(const at::Tensor& x, at::IntArrayRef axes, bool keep) {
  return at::log(at::sum(x, axes, keep));
}
at::Tensor log_sum_exp(const at::Tensor& x, at::IntArrayRef axes, bool keep) {
  return at::logsumexp(x, axes, keep);
}

// Integers wrap around, and a negative exponent gives what is left of the fraction: 0, or 1 or -1.
at::Tensor power(const at::Tensor& a, const at::Tensor& b) {
  if (a.is_floating_point()) return at::pow(a, b);
  const at::Tensor sign = at::where(at::eq(at::remainder(b, 2), 0), at::abs(a), a);
  const at::Tensor fraction = at::where(at::eq(at::abs(a), 1), sign, 0);
  return at::where(at::lt(b, 0), fraction, at::pow(a, at::clamp_min(b, 0)));
}

// The fraction cut off; the least of so many bits where it does not fit. int64.
at::Tensor cut_off(const at::Tensor& x, int bits) {
  const double limit = bits == 64 ? 0x1p63 : 0x1p31;
  const int64_t least = bits == 64 ? INT64_MIN : INT32_MIN;
  const at::Tensor fits = at::logical_and(at::ge(x, -limit), at::lt(x, limit));
  const at::Tensor other = at::logical_not(fits);
  return x.masked_fill(other, 0).to(at::kLong).masked_fill(other, least);
}

// As in `cpu`, on every device, where PyTorch leaves open what does not fit.
at::Tensor to_integers(const at::Tensor& x, ir::DType to) {
  if (to != ir::DType::u32) return cut_off(x, to == ir::DType::i64 ? 64 : 32);
  constexpr double kUpper = 0x1p31;
  const at::Tensor upper = at::add(cut_off(at::sub(x, kUpper), 32), int64_t{1} << 31);
  return at::where(at::ge(x, kUpper), upper, cut_off(x, 32));
}

Kernel cast(NodeContext& node) {
  const ir::DType to = node.output().dtype;
  return [to, type = scalar_type(to)](Inputs in, Outputs out) {
    const at::Tensor x =
        at::isReducedFloatingType(in[0].scalar_type()) ? in[0].to(at::kFloat) : in[0];
    if (type == at::kBool) {
      out[0] = at::ne(x.scalar_type() == at::kFloat ? x : x.to(at::kLong), 0);
    } else if (at::isFloatingType(type)) {
      out[0] = x.to(at::kFloat).to(type);
    } else {
      out[0] = (x.is_floating_point() ? to_integers(x, to) : x).to(type);
    }
  };
}

Kernel is_inf(NodeContext& node) {
  std::vector<double> wanted;
  if (node.attrs().i("detect_negative", 1) != 0) wanted.push_back(-kInfinity);
  if (node.attrs().i("detect_positive", 1) != 0) wanted.push_back(kInfinity);
  return [wanted](Inputs in, Outputs out) {
    out[0] = at::zeros_like(in[0], at::kBool);
    for (const double value : wanted) out[0] = at::logical_or(out[0], at::eq(in[0], value));
  };
}

// Of integers by -1 it is 0: a CPU's division refuses the smallest integer. By 0 it is anything.
template <Binary kFunction>
at::Tensor remainder_of(const at::Tensor& a, const at::Tensor& b) {
  if (a.is_floating_point()) return kFunction(a, b);
  const at::Tensor gives_zero = at::logical_or(at::eq(b, 0), at::eq(b, -1));
  return kFunction(a, b.masked_fill(gives_zero, 1));
}

at::Tensor remainder_as_divisor(const at::Tensor& a, const at::Tensor& b) {
  if (!a.is_floating_point()) return at::remainder(a, b);
  // PyTorch's own divides, and is NaN where the quotient overflows.
  const at::Tensor divisor = b.to(at::kDouble);
  const at::Tensor rest = at::fmod(a.to(at::kDouble), divisor).to(at::kFloat);
  const at::Tensor apart = at::logical_and(at::ne(rest, 0), at::ne(at::lt(rest, 0), at::lt(b, 0)));
  return at::where(apart, at::add(rest, b), rest);
}
at::Tensor remainder_as_dividend(const at::Tensor& a, const at::Tensor& b) {
  if (!a.is_floating_point()) return at::fmod(a, b);
  // In float32 what is large beside the divisor gives NaN.
  return at::fmod(a.to(at::kDouble), b.to(at::kDouble)).to(at::kFloat);
}

Kernel mod(NodeContext& node) {
  const Kernel rest = node.attrs().i("fmod") != 0
                          ? binary<remainder_of<remainder_as_dividend>>(node)
                          : binary<remainder_of<remainder_as_divisor>>(node);
  if (node.output().dtype == ir::DType::f32) return rest;
  return [rest, look = node.look(1, {})](Inputs in, Outputs out) {
    look(in[1]);
    rest(in, out);
  };
}

// Of NaN it is NaN; PyTorch's is 0.
at::Tensor sign(const at::Tensor& x) {
  return x.is_floating_point() ? at::where(at::isnan(x), x, at::sign(x)) : at::sign(x);
}

Kernel shrink(NodeContext& node) {
  return [limit = node.attrs().f("lambd", 0.5F), bias = node.attrs().f("bias")](Inputs in,
                                                                                Outputs out) {
    const at::Tensor& x = in[0];
    const at::Tensor lower = at::add(x, bias).masked_fill(at::logical_not(at::lt(x, -limit)), 0);
    out[0] = at::where(at::gt(x, limit), at::sub(x, bias), lower);
  };
}

Kernel thresholded_relu(NodeContext& node) {
  return [alpha = node.attrs().f("alpha", 1.0F)](Inputs in, Outputs out) {
    out[0] = in[0].masked_fill(at::logical_not(at::gt(in[0], alpha)), 0);
  };
}

constexpr Lowering kLowerings[] = {
    {"Acos", unary<[](const at::Tensor& x) { return at::acos(x); }>},
    {"Acosh", unary<[](const at::Tensor& x) { return at::acosh(x); }>},
    {"Asin", unary<[](const at::Tensor& x) { return at::asin(x); }>},
    {"Asinh", unary<[](const at::Tensor& x) { return at::asinh(x); }>},
    {"Atan", unary<[](const at::Tensor& x) { return at::atan(x); }>},
    {"Atanh", unary<[](const at::Tensor& x) { return at::atanh(x); }>},
    {"Ceil", unary<[](const at::Tensor& x) { return at::ceil(x); }>},
    {"Cos", unary<[](const at::Tensor& x) { return at::cos(x); }>},
    {"Cosh", unary<[](const at::Tensor& x) { return at::cosh(x); }>},
    {"Exp", unary<[](const at::Tensor& x) { return at::exp(x); }>},
    {"Floor", unary<[](const at::Tensor& x) { return at::floor(x); }>},
    {"Log", unary<[](const at::Tensor& x) { return at::log(x); }>},
    {"Reciprocal", unary<[](const at::Tensor& x) { return at::reciprocal(x); }>},
    {"Round", unary<[](const at::Tensor& x) { return at::round(x); }>},
    {"Sin", unary<[](const at::Tensor& x) { return at::sin(x); }>},
    {"Sinh", unary<[](const at::Tensor& x) { return at::sinh(x); }>},
    {"Sqrt", unary<[](const at::Tensor& x) { return at::sqrt(x); }>},
    {"Tan", unary<[](const at::Tensor& x) { return at::tan(x); }>},
    {"Abs", unary<[](const at::Tensor& x) { return at::abs(x); }>},
    {"Neg", unary<[](const at::Tensor& x) { return at::neg(x); }>},
    {"IsNaN", unary<[](const at::Tensor& x) { return at::isnan(x); }>},
    {"IsInf", is_inf},
    {"Shrink", shrink},
    {"ThresholdedRelu", thresholded_relu},
    {"Not", unary<[](const at::Tensor& x) { return at::logical_not(x); }>},
    {"Equal", binary<[](const at::Tensor& a, const at::Tensor& b) { return at::eq(a, b); }>},
    {"Greater", binary<[](const at::Tensor& a, const at::Tensor& b) { return at::gt(a, b); }>},
    {"GreaterOrEqual",
     binary<[](const at::Tensor& a, const at::Tensor& b) { return at::ge(a, b); }>},
    {"Less", binary<[](const at::Tensor& a, const at::Tensor& b) { return at::lt(a, b); }>},
    {"LessOrEqual", binary<[](const at::Tensor& a, const at::Tensor& b) { return at::le(a, b); }>},
    {"And", binary<[](const at::Tensor& a, const at::Tensor& b) { return at::logical_and(a, b); }>},
    {"Or", binary<[](const at::Tensor& a, const at::Tensor& b) { return at::logical_or(a, b); }>},
    {"Xor", binary<[](const at::Tensor& a, const at::Tensor& b) { return at::logical_xor(a, b); }>},
    {"Max", binary<[](const at::Tensor& a, const at::Tensor& b) { return at::maximum(a, b); }>},
    {"Min", binary<[](const at::Tensor& a, const at::Tensor& b) { return at::minimum(a, b); }>},
    {"Where", where},
    {"PRelu", p_relu},
    {"Expand", expand},
    {"Sign", unary<sign>},
    {"Softplus", unary<[](const at::Tensor& x) { return at::softplus(x); }>},
    {"Softsign", unary<[](const at::Tensor& x) { return at::div(x, at::add(at::abs(x), 1)); }>},
    {"Pow", binary<power>},
    {"Mod", mod},
    {"Cast", cast},
    {"ReduceL1", reduce<magnitude_sum>},
    {"ReduceL2", reduce<length>},
    {"ReduceSumSquare", reduce<square_sum>},
    {"ReduceLogSum", reduce<log_sum>},
    {"ReduceLogSumExp", reduce<log_sum_exp>},
    {"ReduceProd", reduce<product>},
    {"ReduceSum", reduce<sum>},
    {"ReduceMax", reduce<largest>},
    {"ReduceMin", reduce<smallest>},
};

}  // namespace

std::span<const Lowering> function_lowerings() { return kLowerings; }

}  // namespace taoism::torch_module
