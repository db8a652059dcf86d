#include <algorithm>
#include <cmath>
#include <limits>

#include "onnx/fold.h"
#include "onnx/shape_rules.h"
#include "ops/core/index.h"

namespace taoism::onnx {
namespace {

using Constants = Result<std::vector<ConstantPtr>>;
using ops::Index;

Constants one(std::shared_ptr<const ir::Constant> constant) {
  return std::vector<ConstantPtr>{std::move(constant)};
}

// Integer arithmetic wraps, as in every runtime; undefined behaviour would be ours.
int64_t wrap(uint64_t value) { return static_cast<int64_t>(value); }

enum class Math : uint8_t { add, sub, mul, div, mod, min, max, pow, eq, lt, gt, le, ge, land, lor };

constexpr struct {
  const char* op;
  Math math;
} kBinary[] = {{"Add", Math::add},           {"Sub", Math::sub},    {"Mul", Math::mul},
               {"Div", Math::div},           {"Mod", Math::mod},    {"Min", Math::min},
               {"Max", Math::max},           {"Pow", Math::pow},    {"Equal", Math::eq},
               {"Less", Math::lt},           {"Greater", Math::gt}, {"LessOrEqual", Math::le},
               {"GreaterOrEqual", Math::ge}, {"And", Math::land},   {"Or", Math::lor}};

bool is_comparison(Math math) { return math >= Math::eq; }

Result<int64_t> apply_int(Math math, int64_t a, int64_t b) {
  const auto ua = static_cast<uint64_t>(a), ub = static_cast<uint64_t>(b);
  switch (math) {
    case Math::add: return wrap(ua + ub);
    case Math::sub: return wrap(ua - ub);
    case Math::mul: return wrap(ua * ub);
    case Math::div:
    case Math::mod:
      if (b == 0) return invalid_argument("divides by zero");
      if (b == -1) return math == Math::div ? wrap(0 - ua) : int64_t{0};
      if (math == Math::div) return a / b;
      return a % b != 0 && (a < 0) != (b < 0) ? a % b + b : a % b;
    case Math::min: return std::min(a, b);
    case Math::max: return std::max(a, b);
    case Math::pow: return unsupported("integer powers are not computed ahead");
    default: return unsupported("not computed ahead");
  }
}

float apply_real(Math math, float a, float b) {
  switch (math) {
    case Math::add: return a + b;
    case Math::sub: return a - b;
    case Math::mul: return a * b;
    case Math::div: return a / b;
    case Math::mod: return std::fmod(a, b);
    case Math::min: return std::min(a, b);
    case Math::max: return std::max(a, b);
    case Math::pow: return std::pow(a, b);
    default: return 0;
  }
}

template <typename T>
bool compare(Math math, T a, T b) {
  switch (math) {
    case Math::eq: return a == b;
    case Math::lt: return a < b;
    case Math::gt: return a > b;
    case Math::le: return a <= b;
    case Math::ge: return a >= b;
    case Math::land: return a != T{0} && b != T{0};
    case Math::lor: return a != T{0} || b != T{0};
    default: return false;
  }
}

Result<ConstantPtr> fold_pair(const FoldNode& node, Math math, const ir::Constant& a,
                              const ir::Constant& b) {
  if (a.desc.dtype != b.desc.dtype) return invalid_argument("inputs differ in type");
  const bool real = a.desc.dtype == ir::DType::f32;
  TAOISM_ASSIGN_OR_RETURN(const ir::Shape shape, ops::broadcast_shape(a.desc.shape, b.desc.shape));
  const ir::DType result = is_comparison(math) ? ir::DType::i64 : a.desc.dtype;
  TAOISM_ASSIGN_OR_RETURN(const Fresh out, node.budget.make(result, shape));
  const Index from_a = ops::broadcast_strides(a.desc.shape, shape);
  const Index from_b = ops::broadcast_strides(b.desc.shape, shape);
  std::byte* const to = out.data;
  Status status;
  ops::for_each_index(shape, [&](const Index& index, int64_t position) {
    const int64_t i = ops::offset_of(index, from_a, shape.rank());
    const int64_t j = ops::offset_of(index, from_b, shape.rank());
    if (is_comparison(math)) {
      reinterpret_cast<int64_t*>(to)[position] =
          real ? compare(math, a.f32()[i], b.f32()[j]) : compare(math, a.i64()[i], b.i64()[j]);
    } else if (real) {
      reinterpret_cast<float*>(to)[position] = apply_real(math, a.f32()[i], b.f32()[j]);
    } else {
      const auto value = apply_int(math, a.i64()[i], b.i64()[j]);
      if (value.ok()) {
        reinterpret_cast<int64_t*>(to)[position] = *value;
      } else {
        status = value.status();
      }
    }
  });
  TAOISM_RETURN_IF_ERROR(status);
  return ConstantPtr(out.constant);
}

Constants fold_binary(const FoldNode& node) {
  const auto* entry = std::find_if(std::begin(kBinary), std::end(kBinary),
                                   [&](const auto& e) { return node.op == e.op; });
  if (entry->math == Math::mod) node.attrs.ignore("fmod");
  ConstantPtr result = node.inputs[0];
  const bool variadic = entry->math == Math::min || entry->math == Math::max;
  if (node.inputs.size() != 2 && !variadic) return invalid_argument("takes two inputs");
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    if (!node.has(i)) return invalid_argument("input " + std::to_string(i) + " is missing");
    TAOISM_ASSIGN_OR_RETURN(result, fold_pair(node, entry->math, *result, *node.inputs[i]));
  }
  return one(std::move(result));
}

// Sqrt, Floor, ...: of float32 the function, of integers what is left unchanged by it.
template <float (*kReal)(float), int64_t (*kInteger)(int64_t)>
Constants fold_unary(const FoldNode& node) {
  const ir::Constant& x = *node.inputs[0];
  TAOISM_ASSIGN_OR_RETURN(const Fresh out, node.budget.make(x.desc.dtype, x.desc.shape));
  for (int64_t i = 0; i < x.desc.shape.elements(); ++i) {
    if (x.desc.dtype == ir::DType::f32) {
      reinterpret_cast<float*>(out.data)[i] = kReal(x.f32()[i]);
    } else {
      reinterpret_cast<int64_t*>(out.data)[i] = kInteger(x.i64()[i]);
    }
  }
  return one(out.constant);
}

float sqrt_of(float x) { return std::sqrt(x); }
float floor_of(float x) { return std::floor(x); }
float ceil_of(float x) { return std::ceil(x); }
float round_of(float x) { return std::nearbyint(x); }
float negative_of(float x) { return -x; }
float absolute_of(float x) { return std::abs(x); }
float reciprocal_of(float x) { return 1 / x; }
float exp_of(float x) { return std::exp(x); }
int64_t same_of(int64_t x) { return x; }
int64_t negative_int(int64_t x) { return wrap(0 - static_cast<uint64_t>(x)); }
int64_t absolute_int(int64_t x) { return x < 0 ? negative_int(x) : x; }
float not_real(float x) { return x; }
int64_t not_int(int64_t x) { return x == 0; }

int64_t to_integer(float value) {
  constexpr float kLimit = 0x1p63F;
  if (std::isnan(value)) return 0;
  if (value >= kLimit) return std::numeric_limits<int64_t>::max();
  if (value < -kLimit) return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(value);
}

Constants fold_cast(const FoldNode& node) {
  const ir::Constant& x = *node.inputs[0];
  const auto to = static_cast<int32_t>(node.attrs.i("to", 0));
  node.attrs.ignore("saturate");
  const std::string name = element_type_name(to);
  const bool known =
      is_float_type(to) || name == "bool" || name.starts_with("int") || name.starts_with("uint");
  if (!known) return unsupported("cast to " + name);
  const ir::DType dtype = is_float_type(to) ? ir::DType::f32 : ir::DType::i64;
  const bool to_bool = name == "bool";
  if (dtype == x.desc.dtype && !to_bool) return one(node.inputs[0]);
  TAOISM_ASSIGN_OR_RETURN(const Fresh out, node.budget.make(dtype, x.desc.shape));
  for (int64_t i = 0; i < x.desc.shape.elements(); ++i) {
    if (dtype == ir::DType::f32) {
      reinterpret_cast<float*>(out.data)[i] = static_cast<float>(x.i64()[i]);
    } else if (x.desc.dtype == ir::DType::f32) {
      reinterpret_cast<int64_t*>(out.data)[i] = to_bool ? x.f32()[i] != 0 : to_integer(x.f32()[i]);
    } else {
      reinterpret_cast<int64_t*>(out.data)[i] = x.i64()[i] != 0;
    }
  }
  return one(out.constant);
}

Constants fold_where(const FoldNode& node) {
  for (size_t i = 0; i < 3; ++i) {
    if (!node.has(i)) return invalid_argument("input " + std::to_string(i) + " is missing");
  }
  const ir::Constant &condition = *node.inputs[0], &a = *node.inputs[1], &b = *node.inputs[2];
  if (condition.desc.dtype != ir::DType::i64 || a.desc.dtype != b.desc.dtype) {
    return invalid_argument("inputs differ in type");
  }
  TAOISM_ASSIGN_OR_RETURN(const ir::Shape pair, ops::broadcast_shape(a.desc.shape, b.desc.shape));
  TAOISM_ASSIGN_OR_RETURN(const ir::Shape shape, ops::broadcast_shape(condition.desc.shape, pair));
  TAOISM_ASSIGN_OR_RETURN(const Fresh out, node.budget.make(a.desc.dtype, shape));
  const size_t bytes = ir::dtype_bytes(a.desc.dtype);
  std::byte* to = out.data;
  ops::for_each_index(shape, [&](const Index& index, int64_t) {
    const auto at = [&](const ir::Constant& c) {
      return ops::offset_of(index, ops::broadcast_strides(c.desc.shape, shape), shape.rank());
    };
    const ir::Constant& chosen = condition.i64()[at(condition)] != 0 ? a : b;
    std::memcpy(to, chosen.data + static_cast<size_t>(at(chosen)) * bytes, bytes);
    to += bytes;
  });
  return one(out.constant);
}

template <Math kMath>
Constants fold_reduce(const FoldNode& node) {
  const ir::Constant& x = *node.inputs[0];
  const ir::Shape& in = x.desc.shape;
  TAOISM_ASSIGN_OR_RETURN(const auto axes, node.ints(1, "axes"));
  TAOISM_ASSIGN_OR_RETURN(std::vector<bool> reduced, resolve_axes(axes, in.rank()));
  if (axes.empty() && node.attrs.i("noop_with_empty_axes", 0) != 0) return one(node.inputs[0]);
  node.attrs.ignore("noop_with_empty_axes");
  if (axes.empty()) reduced.assign(in.rank(), true);
  const bool keep = node.attrs.i("keepdims", 1) != 0;
  ir::Shape shape, kept = in;
  for (size_t i = 0; i < in.rank(); ++i) {
    if (reduced[i]) kept[i] = 1;
    if (!reduced[i] || keep) shape.push_back(kept[i]);
  }
  if (in.elements() == 0) return unsupported("reduces an empty tensor");
  TAOISM_ASSIGN_OR_RETURN(const Fresh out, node.budget.make(x.desc.dtype, shape));
  const Index strides = ops::broadcast_strides(kept, in);
  std::vector<bool> started(static_cast<size_t>(shape.elements()), false);
  std::byte* const to = out.data;
  Status status;
  ops::for_each_index(in, [&](const Index& index, int64_t position) {
    const int64_t at = ops::offset_of(index, strides, in.rank());
    const bool first = !started[static_cast<size_t>(at)];
    started[static_cast<size_t>(at)] = true;
    if (x.desc.dtype == ir::DType::f32) {
      float& sum = reinterpret_cast<float*>(to)[at];
      sum = first ? x.f32()[position] : apply_real(kMath, sum, x.f32()[position]);
    } else {
      int64_t& sum = reinterpret_cast<int64_t*>(to)[at];
      sum = first ? x.i64()[position] : *apply_int(kMath, sum, x.i64()[position]);
    }
  });
  return one(out.constant);
}

constexpr struct {
  const char* op;
  Fold fold;
} kFolds[] = {
    {"Cast", fold_cast},
    {"Where", fold_where},
    {"Sqrt", fold_unary<sqrt_of, same_of>},
    {"Floor", fold_unary<floor_of, same_of>},
    {"Ceil", fold_unary<ceil_of, same_of>},
    {"Round", fold_unary<round_of, same_of>},
    {"Neg", fold_unary<negative_of, negative_int>},
    {"Abs", fold_unary<absolute_of, absolute_int>},
    {"Reciprocal", fold_unary<reciprocal_of, same_of>},
    {"Exp", fold_unary<exp_of, same_of>},
    {"Not", fold_unary<not_real, not_int>},
    {"ReduceProd", fold_reduce<Math::mul>},
    {"ReduceSum", fold_reduce<Math::add>},
    {"ReduceMin", fold_reduce<Math::min>},
    {"ReduceMax", fold_reduce<Math::max>},
};

}  // namespace

Fold find_math_fold(std::string_view op) {
  for (const auto& entry : kFolds) {
    if (op == entry.op) return entry.fold;
  }
  for (const auto& entry : kBinary) {
    if (op == entry.op) return fold_binary;
  }
  return nullptr;
}

}  // namespace taoism::onnx
