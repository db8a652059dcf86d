// Functions of two inputs that broadcast as numpy's do: comparisons, logic, and arithmetic to which
// no activation is fused. Min, Max and PRelu have kernels, the others are by their plain
// definition.
#include <cmath>

#include "ops/core/binary_op.h"
#include "ops/core/broadcast.h"
#include "ops/core/indices.h"

namespace taoism::ops {
namespace {

using kernels::BinaryOp;

Status infer_like(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_ASSIGN_OR_RETURN(const ir::Shape shape, broadcast_inputs(node));
  outputs[0] = {node.inputs[0].desc.dtype, shape};
  return {};
}

Status infer_bool(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(infer_like(node, outputs));
  outputs[0].dtype = ir::DType::boolean;
  return {};
}

constexpr OpDef pair_op(const char* name, Types types, Outcome (*run)(const RunContext&)) {
  return {.name = name,
          .role = Role::combine,
          .min_inputs = 2,
          .max_inputs = 2,
          .types = types,
          .takes_empty = true,
          .infer = infer_like,
          .run = run,
          .rows = rows_broadcast,
          .split_rows = split_rows_alike};
}

constexpr OpDef comparison_op(const char* name, Types types, Outcome (*run)(const RunContext&)) {
  OpDef def = pair_op(name, types, run);
  def.infer = infer_bool;
  return def;
}

template <typename Compare>
Outcome compare(const RunContext& context) {
  with_element(context.node.inputs[0].desc.dtype, [&](auto zero) {
    using T = decltype(zero);
    map_broadcast<Bool, T, T>(context, [](T a, T b) -> Bool { return Compare()(a, b); });
  });
  return {};
}

// std::less and its like, named here because <functional> brings more than they are.
struct Equal {
  bool operator()(auto a, auto b) const { return a == b; }
  bool operator()(Bool a, Bool b) const { return (a != 0) == (b != 0); }
};
struct Less {
  bool operator()(auto a, auto b) const { return a < b; }
};
struct LessOrEqual {
  bool operator()(auto a, auto b) const { return a <= b; }
};
struct Greater {
  bool operator()(auto a, auto b) const { return a > b; }
};
struct GreaterOrEqual {
  bool operator()(auto a, auto b) const { return a >= b; }
};

template <bool (*kFunction)(bool, bool)>
Outcome logic(const RunContext& context) {
  map_broadcast<Bool, Bool, Bool>(context,
                                  [](Bool a, Bool b) -> Bool { return kFunction(a != 0, b != 0); });
  return {};
}

template <typename Function>
Outcome number(const RunContext& context) {
  if (context.node.inputs[0].desc.dtype == ir::DType::i64) {
    map_broadcast<int64_t, int64_t, int64_t>(context, Function());
  } else {
    map_broadcast<float, float, float>(context, Function());
  }
  return {};
}

struct Power {
  float operator()(float a, float b) const {
    return static_cast<float>(std::pow(static_cast<double>(a), static_cast<double>(b)));
  }
  int64_t operator()(int64_t a, int64_t b) const {
    if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 != 0 ? -1 : 1) : 0;
    uint64_t result = 1, factor = static_cast<uint64_t>(a);
    for (; b > 0; b >>= 1, factor *= factor) {
      if ((b & 1) != 0) result *= factor;
    }
    return wrap(result);
  }
};
// The remainder with the divisor's sign. No integer is divided by 0.
struct Modulo {
  float operator()(float a, float b) const {
    const auto rest = static_cast<float>(std::fmod(static_cast<double>(a), b));
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  }
  int64_t operator()(int64_t a, int64_t b) const {
    if (b == -1) return 0;
    return a % b != 0 && (a < 0) != (b < 0) ? a % b + b : a % b;
  }
};
// The remainder with the dividend's sign.
struct Remainder {
  float operator()(float a, float b) const {
    return static_cast<float>(std::fmod(static_cast<double>(a), b));
  }
  int64_t operator()(int64_t a, int64_t b) const { return b == -1 ? 0 : a % b; }
};

constexpr AttrSpec kModAttrs[] = {{"fmod", AttrSpec::integer}};

Outcome run_mod(const RunContext& context) {
  const Outcome fault = division_fault(context.node.inputs[1].desc, context.inputs[1]);
  if (!fault.ok()) return fault;
  return context.node.attrs.i("fmod") != 0 ? number<Remainder>(context) : number<Modulo>(context);
}

constexpr OpDef mod_op() {
  OpDef def = pair_op("Mod", Types::number, run_mod);
  def.attrs = kModAttrs;
  def.jumps = true;
  def.sure_fault = sure_division_fault;
  return def;
}

// x < 0 ? slope * x : x; the output has x's shape.
Status infer_prelu(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(infer_like(node, outputs));
  if (outputs[0].shape == node.shape(0)) return {};
  return invalid_argument("slope " + node.shape(1).text() + " does not broadcast to " +
                          node.shape(0).text());
}

Outcome run_prelu(const RunContext& context) { return run_binary(BinaryOp::prelu, context); }
Outcome reference_prelu(const RunContext& context) {
  return reference_binary(
      BinaryOp::prelu, [](double x, double slope) { return x < 0 ? slope * x : x; }, context);
}

// NaN if either is.
double larger(double a, double b) { return a != a || a > b ? a : b; }
double smaller(double a, double b) { return a != a || a < b ? a : b; }

template <BinaryOp kOp, double (*kReference)(double, double)>
constexpr OpDef extreme_op(const char* name) {
  OpDef def = pair_op(name, Types::number,
                      [](const RunContext& context) { return run_binary(kOp, context); });
  def.form = Form::reveals;
  def.reference = [](const RunContext& context) {
    return reference_binary(kOp, kReference, context);
  };
  return def;
}

// Squares and cubes, which models write as powers, by multiplication.
Outcome run_pow(const RunContext& context) {
  const NodeView& node = context.node;
  const bool real = node.inputs[0].desc.dtype == ir::DType::f32;
  const int64_t count = node.outputs[0].shape.elements();
  const bool one = real && node.shape(1).elements() == 1 && node.shape(0).elements() == count;
  const float exponent = one ? context.f32(1)[0] : 0.0F;
  if (exponent != 2.0F && exponent != 3.0F) return number<Power>(context);
  const float* x = context.f32(0);
  float* y = context.out_f32();
  kernels::binary(BinaryOp::mul, x, x, y, count, {}, context.parallel);
  if (exponent == 3.0F) kernels::binary(BinaryOp::mul, x, y, y, count, {}, context.parallel);
  return {};
}

constexpr OpDef pow_op() {
  OpDef def = pair_op("Pow", Types::number, run_pow);
  def.form = Form::reveals;
  def.reference = number<Power>;
  def.tolerance = {.relative = 2e-6F};  // a device's own mathematical library rounds differently
  return def;
}

constexpr OpDef prelu_op() {
  OpDef def = pair_op("PRelu", Types::real, run_prelu);
  def.tolerance = {.relative = 1e-6F};
  def.reference = reference_prelu;
  def.role = Role::nonlinear;
  def.form = Form::reveals;
  def.infer = infer_prelu;
  return def;
}

}  // namespace

TAOISM_OP(Equal) = comparison_op("Equal", Types::any, compare<Equal>);
TAOISM_OP(Greater) = comparison_op("Greater", Types::number, compare<Greater>);
TAOISM_OP(GreaterOrEqual) = comparison_op("GreaterOrEqual", Types::number, compare<GreaterOrEqual>);
TAOISM_OP(Less) = comparison_op("Less", Types::number, compare<Less>);
TAOISM_OP(LessOrEqual) = comparison_op("LessOrEqual", Types::number, compare<LessOrEqual>);

TAOISM_OP(And) = pair_op("And", Types::logical, logic<[](bool a, bool b) { return a && b; }>);
TAOISM_OP(Or) = pair_op("Or", Types::logical, logic<[](bool a, bool b) { return a || b; }>);
TAOISM_OP(Xor) = pair_op("Xor", Types::logical, logic<[](bool a, bool b) { return a != b; }>);

TAOISM_OP(Max) = extreme_op<BinaryOp::max, larger>("Max");
TAOISM_OP(Min) = extreme_op<BinaryOp::min, smaller>("Min");
TAOISM_OP(Mod) = mod_op();
TAOISM_OP(Pow) = pow_op();
TAOISM_OP(PRelu) = prelu_op();

}  // namespace taoism::ops
