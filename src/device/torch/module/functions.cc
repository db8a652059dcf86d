// Functions of one or two tensors, comparisons, choices, and reductions of ONNX.
#include <ATen/ops/abs.h>
#include <ATen/ops/acos.h>
#include <ATen/ops/acosh.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/amin.h>
#include <ATen/ops/asin.h>
#include <ATen/ops/asinh.h>
#include <ATen/ops/atan.h>
#include <ATen/ops/atanh.h>
#include <ATen/ops/ceil.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/cosh.h>
#include <ATen/ops/eq.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/floor.h>
#include <ATen/ops/ge.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/le.h>
#include <ATen/ops/log.h>
#include <ATen/ops/logical_and.h>
#include <ATen/ops/logical_not.h>
#include <ATen/ops/logical_or.h>
#include <ATen/ops/logical_xor.h>
#include <ATen/ops/lt.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/reciprocal.h>
#include <ATen/ops/round.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/sinh.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/tan.h>
#include <ATen/ops/where.h>

#include "device/torch/module/lowering.h"

namespace taoism::torch_module {
namespace {

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
    {"ReduceSum", reduce<sum>},
    {"ReduceMax", reduce<largest>},
    {"ReduceMin", reduce<smallest>},
};

}  // namespace

std::span<const Lowering> function_lowerings() { return kLowerings; }

}  // namespace taoism::torch_module
