// Functions of one number, element by element: each by its plain definition, in float64.
#include <cmath>

#include "ops/core/activation_op.h"
#include "ops/core/broadcast.h"
#include "ops/core/rules.h"

namespace taoism::ops {
namespace {

template <double (*kFunction)(double)>
void run(const RunContext& context) {
  map_broadcast<float, float>(context, [](float x) { return static_cast<float>(kFunction(x)); });
}

constexpr OpDef function_op(const char* name, void (*run)(const RunContext&)) {
  return {.name = name,
          .role = Role::nonlinear,
          .takes_empty = true,
          .storage = Storage::in_place,
          .infer = infer_same,
          .run = run,
          .splits_batch = splits_batch_of_first,
          .split_rows = split_rows_alike};
}

// Of a function that a device's own mathematical library may round differently.
constexpr OpDef math_op(const char* name, void (*run)(const RunContext&)) {
  OpDef def = function_op(name, run);
  def.tolerance = {.relative = 2e-6F, .absolute = 1e-6F};
  return def;
}

// Of float32 and int64, each by its own arithmetic.
template <typename Function>
void run_number(const RunContext& context) {
  if (context.node.inputs[0].desc.dtype == ir::DType::i64) {
    map_broadcast<int64_t, int64_t>(context, Function());
  } else {
    map_broadcast<float, float>(context, Function());
  }
}

constexpr OpDef number_op(const char* name, void (*run)(const RunContext&)) {
  OpDef def = function_op(name, run);
  def.types = Types::number;
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
                             void (*run)(const RunContext&)) {
  OpDef def = function_op(name, run);
  def.attrs = attrs;
  def.storage = Storage::fresh;
  def.infer = infer_predicate;
  return def;
}

constexpr AttrSpec kIsInfAttrs[] = {{"detect_negative", AttrSpec::integer},
                                    {"detect_positive", AttrSpec::integer}};

void run_is_inf(const RunContext& context) {
  const bool negative = context.node.attrs.i("detect_negative", 1) != 0;
  const bool positive = context.node.attrs.i("detect_positive", 1) != 0;
  map_broadcast<Bool, float>(
      context, [=](float x) -> Bool { return std::isinf(x) && (x > 0 ? positive : negative); });
}

void run_is_nan(const RunContext& context) {
  map_broadcast<Bool, float>(context, [](float x) -> Bool { return std::isnan(x); });
}

void run_not(const RunContext& context) {
  map_broadcast<Bool, Bool>(context, [](Bool x) -> Bool { return x == 0; });
}

constexpr OpDef not_op() {
  OpDef def = function_op("Not", run_not);
  def.types = Types::logical;
  return def;
}

constexpr AttrSpec kShrinkAttrs[] = {{"lambd", AttrSpec::real}, {"bias", AttrSpec::real}};

void run_shrink(const RunContext& context) {
  const float limit = context.node.attrs.f("lambd", 0.5F);
  const float bias = context.node.attrs.f("bias");
  map_broadcast<float, float>(context, [=](float x) {
    return x < -limit ? x + bias : x > limit ? x - bias : x != x ? x : 0.0F;
  });
}

constexpr AttrSpec kAlpha[] = {{"alpha", AttrSpec::real}};

void run_thresholded(const RunContext& context) {
  const float alpha = context.node.attrs.f("alpha", 1.0F);
  map_broadcast<float, float>(context, [=](float x) { return x <= alpha ? 0.0F : x; });
}

constexpr OpDef with_attrs(const char* name, std::span<const AttrSpec> attrs,
                           void (*run)(const RunContext&)) {
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
TAOISM_OP(Ceil) = function_op("Ceil", run<[](double x) { return std::ceil(x); }>);
TAOISM_OP(Cos) = math_op("Cos", run<[](double x) { return std::cos(x); }>);
TAOISM_OP(Cosh) = math_op("Cosh", run<[](double x) { return std::cosh(x); }>);
TAOISM_OP(Exp) = math_op("Exp", run<[](double x) { return std::exp(x); }>);
TAOISM_OP(Floor) = function_op("Floor", run<[](double x) { return std::floor(x); }>);
TAOISM_OP(Log) = math_op("Log", run<[](double x) { return std::log(x); }>);
TAOISM_OP(Reciprocal) = function_op("Reciprocal", run<[](double x) { return 1 / x; }>);
// Halves to the even neighbour.
TAOISM_OP(Round) = function_op("Round", run<[](double x) { return std::nearbyint(x); }>);
TAOISM_OP(Sin) = math_op("Sin", run<[](double x) { return std::sin(x); }>);
TAOISM_OP(Sinh) = math_op("Sinh", run<[](double x) { return std::sinh(x); }>);
TAOISM_OP(Softplus) = math_op("Softplus", run<softplus>);
TAOISM_OP(Softsign) = math_op("Softsign", run<[](double x) { return x / (1 + std::fabs(x)); }>);
TAOISM_OP(Sqrt) = math_op("Sqrt", run<[](double x) { return std::sqrt(x); }>);
TAOISM_OP(Tan) = math_op("Tan", run<[](double x) { return std::tan(x); }>);

TAOISM_OP(Abs) = number_op("Abs", run_number<Absolute>);
TAOISM_OP(Neg) = number_op("Neg", run_number<Negative>);
TAOISM_OP(Sign) = number_op("Sign", run_number<Sign>);

TAOISM_OP(IsInf) = predicate_op("IsInf", kIsInfAttrs, run_is_inf);
TAOISM_OP(IsNaN) = predicate_op("IsNaN", {}, run_is_nan);
TAOISM_OP(Not) = not_op();
TAOISM_OP(Shrink) = with_attrs("Shrink", kShrinkAttrs, run_shrink);
TAOISM_OP(ThresholdedRelu) = with_attrs("ThresholdedRelu", kAlpha, run_thresholded);

}  // namespace taoism::ops
