// Functions of one number, element by element: those that models compute over much by kernels, the
// others by their plain definition, in float64.
#include <cmath>

#include "kernels/elementwise.h"
#include "ops/core/activation_op.h"
#include "ops/core/broadcast.h"
#include "ops/core/rules.h"

namespace taoism::ops {
namespace {

using kernels::UnaryOp;

template <double (*kFunction)(double)>
Outcome run(const RunContext& context) {
  map_broadcast<float, float>(context, [](float x) { return static_cast<float>(kFunction(x)); });
  return {};
}

constexpr OpDef function_op(const char* name, Outcome (*run)(const RunContext&)) {
  return {.name = name,
          .role = Role::nonlinear,
          .form = Form::reveals,
          .takes_empty = true,
          .storage = Storage::in_place,
          .infer = infer_same,
          .run = run,
          .rows = rows_alike,
          .split_rows = split_rows_alike};
}

constexpr OpDef jumping(OpDef def) {
  def.jumps = true;
  return def;
}

constexpr OpDef of_form(Form form, OpDef def) {
  def.form = form;
  return def;
}

// Of a function that each mathematical library rounds differently.
constexpr Tolerance kRounds = {.relative = 2e-6F, .absolute = 1e-6F};

constexpr OpDef math_op(const char* name, Outcome (*run)(const RunContext&)) {
  OpDef def = function_op(name, run);
  def.tolerance = kRounds;
  return def;
}

template <UnaryOp kOp>
Outcome run_kernel(const RunContext& context) {
  kernels::unary(kOp, context.f32(0), context.out_f32(), context.node.shape(0).elements(),
                 context.parallel);
  return {};
}

template <UnaryOp kOp, double (*kFunction)(double)>
constexpr OpDef kernel_op(const char* name, Tolerance tolerance = {}) {
  OpDef def = function_op(name, run_kernel<kOp>);
  def.tolerance = tolerance;
  def.reference = run<kFunction>;
  return def;
}

// Of float32 and int64, each by its own arithmetic.
template <typename Function>
Outcome reference_number(const RunContext& context) {
  if (context.node.inputs[0].desc.dtype == ir::DType::i64) {
    map_broadcast<int64_t, int64_t>(context, Function());
  } else {
    map_broadcast<float, float>(context, Function());
  }
  return {};
}

template <UnaryOp kOp, typename Function>
Outcome run_number(const RunContext& context) {
  if (context.node.inputs[0].desc.dtype == ir::DType::i64) {
    return reference_number<Function>(context);
  }
  return run_kernel<kOp>(context);
}

template <UnaryOp kOp, typename Function>
constexpr OpDef number_op(const char* name) {
  OpDef def = function_op(name, run_number<kOp, Function>);
  def.types = Types::number;
  def.reference = reference_number<Function>;
  return def;
}

struct Negative {
  float operator()(float x) const { return -x; }
  int64_t operator()(int64_t x) const { return wrap(0 - static_cast<uint64_t>(x)); }
};
struct Absolute {
  float operator()(float x) const { return std::fabs(x); }
  int64_t operator()(int64_t x) const { return x < 0 ? Negative()(x) : x; }
};
struct Sign {
  float operator()(float x) const { return x > 0 ? 1.0F : x < 0 ? -1.0F : x; }
  int64_t operator()(int64_t x) const { return (x > 0) - (x < 0); }
};

Status infer_predicate(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  outputs[0] = {ir::DType::boolean, node.shape(0)};
  return {};
}

constexpr OpDef predicate_op(const char* name, std::span<const AttrSpec> attrs,
                             Outcome (*run)(const RunContext&)) {
  OpDef def = function_op(name, run);
  def.form = Form::opaque;
  def.attrs = attrs;
  def.storage = Storage::fresh;
  def.infer = infer_predicate;
  return def;
}

constexpr AttrSpec kIsInfAttrs[] = {{"detect_negative", AttrSpec::integer},
                                    {"detect_positive", AttrSpec::integer}};

Outcome run_is_inf(const RunContext& context) {
  const bool negative = context.node.attrs.i("detect_negative", 1) != 0;
  const bool positive = context.node.attrs.i("detect_positive", 1) != 0;
  map_broadcast<Bool, float>(
      context, [=](float x) -> Bool { return std::isinf(x) && (x > 0 ? positive : negative); });
  return {};
}

Outcome run_is_nan(const RunContext& context) {
  map_broadcast<Bool, float>(context, [](float x) -> Bool { return std::isnan(x); });
  return {};
}

Outcome run_not(const RunContext& context) {
  map_broadcast<Bool, Bool>(context, [](Bool x) -> Bool { return x == 0; });
  return {};
}

constexpr OpDef not_op() {
  OpDef def = function_op("Not", run_not);
  def.form = Form::opaque;
  def.types = Types::logical;
  return def;
}

constexpr AttrSpec kShrinkAttrs[] = {{"lambd", AttrSpec::real}, {"bias", AttrSpec::real}};

Outcome run_shrink(const RunContext& context) {
  const float limit = context.node.attrs.f("lambd", 0.5F);
  const float bias = context.node.attrs.f("bias");
  map_broadcast<float, float>(context, [=](float x) {
    return x < -limit ? x + bias : x > limit ? x - bias : 0.0F;  // NaN is neither
  });
  return {};
}

constexpr AttrSpec kAlpha[] = {{"alpha", AttrSpec::real}};

Outcome run_thresholded(const RunContext& context) {
  const float alpha = context.node.attrs.f("alpha", 1.0F);
  map_broadcast<float, float>(context, [=](float x) { return x > alpha ? x : 0.0F; });
  return {};
}

constexpr OpDef with_attrs(const char* name, std::span<const AttrSpec> attrs,
                           Outcome (*run)(const RunContext&)) {
  OpDef def = function_op(name, run);
  def.attrs = attrs;
  return def;
}

// log(1 + exp(x)) without overflow.
double softplus(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }

}  // namespace

TAOISM_OP(Acos) = math_op("Acos", run<[](double x) { return std::acos(x); }>);
TAOISM_OP(Acosh) = math_op("Acosh", run<[](double x) { return std::acosh(x); }>);
TAOISM_OP(Asin) = math_op("Asin", run<[](double x) { return std::asin(x); }>);
TAOISM_OP(Asinh) = math_op("Asinh", run<[](double x) { return std::asinh(x); }>);
TAOISM_OP(Atan) = math_op("Atan", run<[](double x) { return std::atan(x); }>);
TAOISM_OP(Atanh) = math_op("Atanh", run<[](double x) { return std::atanh(x); }>);
TAOISM_OP(Ceil) = jumping(kernel_op<UnaryOp::ceil, [](double x) { return std::ceil(x); }>("Ceil"));
TAOISM_OP(Cos) = math_op("Cos", run<[](double x) { return std::cos(x); }>);
TAOISM_OP(Cosh) = math_op("Cosh", run<[](double x) { return std::cosh(x); }>);
TAOISM_OP(Exp) = kernel_op<UnaryOp::exp, [](double x) { return std::exp(x); }>("Exp", kRounds);
TAOISM_OP(Floor) =
    jumping(kernel_op<UnaryOp::floor, [](double x) { return std::floor(x); }>("Floor"));
TAOISM_OP(Log) = kernel_op<UnaryOp::log, [](double x) { return std::log(x); }>("Log", kRounds);
TAOISM_OP(Reciprocal) =
    kernel_op<UnaryOp::reciprocal, [](double x) { return 1 / x; }>("Reciprocal");
// Halves to the even neighbour.
TAOISM_OP(Round) =
    jumping(kernel_op<UnaryOp::round, [](double x) { return std::nearbyint(x); }>("Round"));
TAOISM_OP(Sin) = math_op("Sin", run<[](double x) { return std::sin(x); }>);
TAOISM_OP(Sinh) = math_op("Sinh", run<[](double x) { return std::sinh(x); }>);
TAOISM_OP(Softplus) = kernel_op<UnaryOp::softplus, softplus>("Softplus", kRounds);
TAOISM_OP(Softsign) = kernel_op<UnaryOp::softsign, [](double x) { return x / (1 + std::fabs(x)); }>(
    "Softsign", kRounds);
TAOISM_OP(Sqrt) = kernel_op<UnaryOp::sqrt, [](double x) { return std::sqrt(x); }>("Sqrt", kRounds);
TAOISM_OP(Tan) = math_op("Tan", run<[](double x) { return std::tan(x); }>);

TAOISM_OP(Abs) = number_op<UnaryOp::abs, Absolute>("Abs");
TAOISM_OP(Neg) = of_form(Form::affine, number_op<UnaryOp::neg, Negative>("Neg"));
TAOISM_OP(Sign) = jumping(of_form(Form::opaque, number_op<UnaryOp::sign, Sign>("Sign")));

TAOISM_OP(IsInf) = predicate_op("IsInf", kIsInfAttrs, run_is_inf);
TAOISM_OP(IsNaN) = predicate_op("IsNaN", {}, run_is_nan);
TAOISM_OP(Not) = not_op();
TAOISM_OP(Shrink) = jumping(with_attrs("Shrink", kShrinkAttrs, run_shrink));
TAOISM_OP(ThresholdedRelu) = jumping(with_attrs("ThresholdedRelu", kAlpha, run_thresholded));

}  // namespace taoism::ops
