#include "onnx/evaluate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "onnx/shape_rules.h"
#include "ops/core/index.h"

namespace taoism::onnx {
namespace {

using Constants = Result<std::vector<ConstantPtr>>;
using ops::Flag;
using ops::Index;

template <typename T>
constexpr bool kIsReal = std::is_same_v<T, double>;

ir::DType type(const FoldNode& node, size_t i) { return node.inputs[i]->desc.dtype; }
const ir::Shape& shape(const FoldNode& node, size_t i) { return node.inputs[i]->desc.shape; }

// Calls function(T()) for the type of input `i`, which must be float64 or uint64.
template <typename Function>
Constants with_own(const FoldNode& node, size_t i, Function&& function) {
  if (type(node, i) == ir::DType::f64) return function(double{});
  if (type(node, i) == ir::DType::u64) return function(uint64_t{});
  return invalid_argument("input " + std::to_string(i) + " is " + ir::dtype_name(type(node, i)) +
                          ", others are not");
}

template <typename T>
const T* data(const FoldNode& node, size_t i) {
  return reinterpret_cast<const T*>(node.inputs[i]->data);
}

Status check_alike(const FoldNode& node, size_t first) {
  for (size_t i = first; i < node.inputs.size(); ++i) {
    if (!node.has(i)) continue;
    if (type(node, i) != type(node, first)) {
      return invalid_argument("input " + std::to_string(i) + " is " +
                              ir::dtype_name(type(node, i)) + ", input " + std::to_string(first) +
                              " " + ir::dtype_name(type(node, first)) +
                              ": they must be of one type");
    }
  }
  return {};
}

Constants one(const Fresh& fresh) { return std::vector<ConstantPtr>{fresh.constant}; }

// to[i] = function(a[i], b[i]), broadcast.
template <typename To, typename A, typename B, typename Function>
Constants pairs(const FoldNode& node, const A* a, const ir::Shape& a_shape, const B* b,
                const ir::Shape& b_shape, ir::DType dtype, Function&& function) {
  TAOISM_ASSIGN_OR_RETURN(const ir::Shape out, ops::broadcast_shape(a_shape, b_shape));
  TAOISM_ASSIGN_OR_RETURN(const Fresh made, node.budget.make(dtype, out));
  const Index a_strides = ops::broadcast_strides(a_shape, out);
  const Index b_strides = ops::broadcast_strides(b_shape, out);
  auto* to = reinterpret_cast<To*>(made.data);
  ops::for_each_index(out, [&](const Index& index, int64_t at) {
    to[at] = function(a[ops::offset_of(index, a_strides, out.rank())],
                      b[ops::offset_of(index, b_strides, out.rank())]);
  });
  return one(made);
}

struct Add {
  auto operator()(auto a, auto b) const { return a + b; }
};
struct Sub {
  auto operator()(auto a, auto b) const { return a - b; }
};
struct Mul {
  auto operator()(auto a, auto b) const { return a * b; }
};
struct Div {
  auto operator()(auto a, auto b) const { return a / b; }
};
struct Larger {
  double operator()(double a, double b) const { return a != a || a > b ? a : b; }
  uint64_t operator()(uint64_t a, uint64_t b) const { return std::max(a, b); }
};
struct Smaller {
  double operator()(double a, double b) const { return a != a || a < b ? a : b; }
  uint64_t operator()(uint64_t a, uint64_t b) const { return std::min(a, b); }
};
struct Remainder {
  double operator()(double a, double b) const { return std::fmod(a, b); }
  uint64_t operator()(uint64_t a, uint64_t b) const { return a % b; }
};
// With the divisor's sign.
struct Modulo : Remainder {
  using Remainder::operator();
  double operator()(double a, double b) const {
    const double rest = std::fmod(a, b);
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
  }
};

template <typename Function>
Constants arithmetic(const FoldNode& node) {
  TAOISM_RETURN_IF_ERROR(check_alike(node, 0));
  if (!node.has(1)) return invalid_argument("input 1 is missing");
  return with_own(node, 0, [&](auto zero) -> Constants {
    using T = decltype(zero);
    const T* b = data<T>(node, 1);
    constexpr bool divides =
        std::is_same_v<Function, Div> || std::is_base_of_v<Remainder, Function>;
    if (divides && !kIsReal<T> && std::count(b, b + shape(node, 1).elements(), T{}) > 0) {
      return invalid_argument("divides by zero");
    }
    return pairs<T>(node, data<T>(node, 0), shape(node, 0), b, shape(node, 1), type(node, 0),
                    Function());
  });
}

Constants mod(const FoldNode& node) {
  return node.attrs.i("fmod", 0) != 0 ? arithmetic<Remainder>(node) : arithmetic<Modulo>(node);
}

// Function of all inputs, two at a time.
template <typename Function>
Constants chain(const FoldNode& node) {
  ConstantPtr y = node.inputs[0];
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    const ConstantPtr both[] = {y, node.inputs[i]};
    const FoldNode pair{node.op, node.opset, 1, node.attrs, both, node.budget};
    TAOISM_ASSIGN_OR_RETURN(const auto made, arithmetic<Function>(pair));
    y = made[0];
  }
  return std::vector<ConstantPtr>{y};
}

Constants mean(const FoldNode& node) {
  TAOISM_ASSIGN_OR_RETURN(const auto sum, chain<Add>(node));
  if (type(node, 0) != ir::DType::f64) return invalid_argument("takes floats");
  const auto count = static_cast<double>(node.inputs.size());
  const ir::Constant& x = *sum[0];
  return pairs<double>(node, reinterpret_cast<const double*>(x.data), x.desc.shape, &count, {},
                       ir::DType::f64, Div());
}

struct Equal {
  Flag operator()(auto a, auto b) const { return Flag{a == b}; }
};
struct Less {
  Flag operator()(auto a, auto b) const { return Flag{a < b}; }
};
struct LessOrEqual {
  Flag operator()(auto a, auto b) const { return Flag{a <= b}; }
};
struct Greater {
  Flag operator()(auto a, auto b) const { return Flag{a > b}; }
};
struct GreaterOrEqual {
  Flag operator()(auto a, auto b) const { return Flag{a >= b}; }
};

template <typename Function>
Constants comparison(const FoldNode& node) {
  TAOISM_RETURN_IF_ERROR(check_alike(node, 0));
  if (!node.has(1)) return invalid_argument("input 1 is missing");
  return with_own(node, 0, [&](auto zero) -> Constants {
    using T = decltype(zero);
    return pairs<Flag>(node, data<T>(node, 0), shape(node, 0), data<T>(node, 1), shape(node, 1),
                       ir::DType::boolean, Function());
  });
}

// Wraps; of a negative exponent what is left of the fraction.
uint64_t integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 1 || base == -1) return exponent % 2 != 0 ? static_cast<uint64_t>(base) : 1;
    return 0;
  }
  uint64_t result = 1, factor = static_cast<uint64_t>(base);
  for (; exponent > 0; exponent >>= 1, factor *= factor) {
    if ((exponent & 1) != 0) result *= factor;
  }
  return result;
}

// Whether its floats are whole, so that integers are raised to them as integers.
bool is_whole(const ir::Constant& floats, FoldBudget& budget) {
  const Result<Fresh> wide = budget.make(ir::DType::f64, floats.desc.shape);
  if (!wide.ok()) return false;
  convert_elements(floats, ir::DType::f64, wide->data);
  const auto* values = reinterpret_cast<const double*>(wide->data);
  return std::all_of(values, values + floats.desc.shape.elements(), [](double value) {
    return std::fabs(value) < 0x1p31 && value == std::floor(value);
  });
}

// In float64 where the base is a float or the exponent no whole number; the power has the base's
// type.
Constants power(const FoldNode& node) {
  if (!node.has(1)) return invalid_argument("input 1 is missing");
  const ir::DType base = type(node, 0), exponent = type(node, 1);
  if (base == ir::DType::boolean || exponent == ir::DType::boolean) {
    return invalid_argument("takes numbers");
  }
  const bool integers =
      is_integer(base) && (is_integer(exponent) || is_whole(*node.inputs[1], node.budget));
  const ir::DType common = integers ? ir::DType::i64 : ir::DType::f64;
  std::vector<ConstantPtr> both;
  for (size_t i = 0; i < 2; ++i) {
    TAOISM_ASSIGN_OR_RETURN(const Fresh made, node.budget.make(common, shape(node, i)));
    convert_elements(*node.inputs[i], common, made.data);
    both.push_back(made.constant);
  }
  const FoldNode pair{node.op, node.opset, 1, node.attrs, both, node.budget};
  Constants wide = integers ? pairs<uint64_t>(pair, data<int64_t>(pair, 0), shape(pair, 0),
                                              data<int64_t>(pair, 1), shape(pair, 1),
                                              ir::DType::u64, integer_power)
                            : pairs<double>(pair, data<double>(pair, 0), shape(pair, 0),
                                            data<double>(pair, 1), shape(pair, 1), ir::DType::f64,
                                            [](double a, double b) { return std::pow(a, b); });
  if (!wide.ok()) return wide.status();
  const ir::Constant& y = *wide->front();
  TAOISM_ASSIGN_OR_RETURN(const Fresh made, node.budget.make(base, y.desc.shape));
  convert_elements(y, base, made.data);
  return one(made);
}

template <typename To, typename Function>
Constants map(const FoldNode& node, ir::DType dtype, Function&& function) {
  return with_own(node, 0, [&](auto zero) -> Constants {
    using T = decltype(zero);
    using Made = std::conditional_t<std::is_void_v<To>, T, Flag>;
    TAOISM_ASSIGN_OR_RETURN(const Fresh made, node.budget.make(dtype, shape(node, 0)));
    const int64_t count = shape(node, 0).elements();
    for (int64_t i = 0; i < count; ++i) {
      reinterpret_cast<Made*>(made.data)[i] = function(data<T>(node, 0)[i]);
    }
    return one(made);
  });
}

template <double (*kFunction)(double)>
Constants function(const FoldNode& node) {
  if (type(node, 0) != ir::DType::f64) return invalid_argument("takes floats");
  return map<void>(node, ir::DType::f64, [](auto x) -> decltype(x) {
    return static_cast<decltype(x)>(kFunction(static_cast<double>(x)));
  });
}

struct Absolute {
  double operator()(double x) const { return std::fabs(x); }
  uint64_t operator()(uint64_t x) const { return x; }
};
struct Negative {
  auto operator()(auto x) const { return -x; }
};
struct Sign {
  double operator()(double x) const { return x > 0 ? 1 : x < 0 ? -1 : x; }
  uint64_t operator()(uint64_t x) const { return x > 0 ? 1 : 0; }
};

template <typename Function>
Constants mapped(const FoldNode& node) {
  return map<void>(node, type(node, 0), Function());
}

Constants is_nan(const FoldNode& node) {
  return map<Flag>(node, ir::DType::boolean, [](auto x) { return Flag{x != x}; });
}
Constants is_inf(const FoldNode& node) {
  const bool negative = node.attrs.i("detect_negative", 1) != 0;
  const bool positive = node.attrs.i("detect_positive", 1) != 0;
  return map<Flag>(node, ir::DType::boolean, [=](auto x) {
    const auto real = static_cast<double>(x);
    return Flag{std::isinf(real) && (real > 0 ? positive : negative)};
  });
}

// An absent bound is none; the upper one wins where they cross.
Constants clip(const FoldNode& node) {
  ConstantPtr y = node.inputs[0];
  for (size_t i = 1; i <= 2; ++i) {
    if (!node.has(i)) continue;
    const ConstantPtr both[] = {y, node.inputs[i]};
    const FoldNode pair{node.op, node.opset, 1, node.attrs, both, node.budget};
    Constants made = i == 1 ? arithmetic<Larger>(pair) : arithmetic<Smaller>(pair);
    if (!made.ok()) return made;
    y = made->front();
  }
  return std::vector<ConstantPtr>{y};
}

Constants where(const FoldNode& node) {
  if (!node.has(1) || !node.has(2)) return invalid_argument("takes three inputs");
  TAOISM_RETURN_IF_ERROR(check_alike(node, 1));
  if (type(node, 0) != ir::DType::boolean) return invalid_argument("the condition must be bool");
  TAOISM_ASSIGN_OR_RETURN(ir::Shape out, ops::broadcast_shape(shape(node, 0), shape(node, 1)));
  TAOISM_ASSIGN_OR_RETURN(out, ops::broadcast_shape(out, shape(node, 2)));
  TAOISM_ASSIGN_OR_RETURN(const Fresh made, node.budget.make(type(node, 1), out));
  const size_t bytes = ir::dtype_bytes(type(node, 1));
  const Index strides[] = {ops::broadcast_strides(shape(node, 0), out),
                           ops::broadcast_strides(shape(node, 1), out),
                           ops::broadcast_strides(shape(node, 2), out)};
  ops::for_each_index(out, [&](const Index& index, int64_t at) {
    const auto element = [&](size_t i, size_t size) {
      const int64_t offset = ops::offset_of(index, strides[i], out.rank());
      return node.inputs[i]->data + static_cast<size_t>(offset) * size;
    };
    const size_t chosen = *element(0, 1) != std::byte{0} ? 1 : 2;
    std::memcpy(made.data + static_cast<size_t>(at) * bytes, element(chosen, bytes), bytes);
  });
  return one(made);
}

// Begins with `first`; every element, with how many there are, then the end.
template <typename T>
struct Reducer {
  T first;
  T (*add)(T sum, T x);
  T (*end)(T sum, T count) = [](T sum, T) { return sum; };
};

template <typename T>
std::optional<Reducer<T>> reducer_of(std::string_view op) {
  constexpr T kLow = kIsReal<T> ? -std::numeric_limits<T>::infinity() : T{};
  constexpr T kHigh =
      kIsReal<T> ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max();
  const auto sum = [](T a, T x) { return a + x; };
  if (op == "ReduceSum") return Reducer<T>{0, sum};
  if (op == "ReduceProd") return Reducer<T>{1, [](T a, T x) { return a * x; }};
  if (op == "ReduceMax") return Reducer<T>{kLow, [](T a, T x) -> T { return Larger()(x, a); }};
  if (op == "ReduceMin") return Reducer<T>{kHigh, [](T a, T x) -> T { return Smaller()(x, a); }};
  if (op == "ReduceSumSquare") return Reducer<T>{0, [](T a, T x) { return a + x * x; }};
  if (op == "ReduceL1") return Reducer<T>{0, [](T a, T x) -> T { return a + Absolute()(x); }};
  if (op == "ReduceMean") {
    return Reducer<T>{0, sum, [](T a, T count) { return kIsReal<T> || count > 0 ? a / count : a; }};
  }
  if constexpr (kIsReal<T>) {
    if (op == "ReduceL2") {
      return Reducer<T>{0, [](T a, T x) { return a + x * x; }, [](T a, T) { return std::sqrt(a); }};
    }
    if (op == "ReduceLogSum") return Reducer<T>{0, sum, [](T a, T) { return std::log(a); }};
  }
  return std::nullopt;
}

Constants reduction(const FoldNode& node) {
  TAOISM_ASSIGN_OR_RETURN(std::vector<int64_t> axes, node.ints(1, "axes"));
  const bool keeps_all = node.attrs.i("noop_with_empty_axes", 0) != 0;
  const bool keep = node.attrs.i("keepdims", 1) != 0;
  const ir::Shape& x = shape(node, 0);
  if (axes.empty()) {
    if (keeps_all) return std::vector<ConstantPtr>{node.inputs[0]};
    axes.resize(x.rank());
    std::iota(axes.begin(), axes.end(), 0);
  }
  std::array<bool, ir::kMaxRank> reduced = {};
  ir::Shape kept = x, out;
  for (const int64_t given : axes) {
    TAOISM_ASSIGN_OR_RETURN(const size_t axis, resolve_axis(given, x.rank()));
    reduced[axis] = true;
    kept[axis] = 1;
  }
  for (size_t i = 0; i < x.rank(); ++i) {
    if (!reduced[i] || keep) out.push_back(kept[i]);
  }
  return with_own(node, 0, [&](auto zero) -> Constants {
    using T = decltype(zero);
    const auto reducer = reducer_of<T>(node.op);
    if (!reducer) return invalid_argument("takes floats");
    TAOISM_ASSIGN_OR_RETURN(const Fresh made, node.budget.make(type(node, 0), out));
    auto* to = reinterpret_cast<T*>(made.data);
    const int64_t outputs = out.elements();
    std::fill_n(to, outputs, reducer->first);
    const Index strides = ops::broadcast_strides(kept, x);
    ops::for_each_index(x, [&](const Index& index, int64_t at) {
      T& sum = to[ops::offset_of(index, strides, x.rank())];
      sum = reducer->add(sum, data<T>(node, 0)[at]);
    });
    const auto count = static_cast<T>(outputs == 0 ? 0 : x.elements() / outputs);
    for (int64_t i = 0; i < outputs; ++i) to[i] = reducer->end(to[i], count);
    return one(made);
  });
}

constexpr struct {
  const char* op;
  Fold fold;
} kEvaluations[] = {
    {"Abs", mapped<Absolute>},
    {"Acos", function<[](double x) { return std::acos(x); }>},
    {"Add", arithmetic<Add>},
    {"Asin", function<[](double x) { return std::asin(x); }>},
    {"Atan", function<[](double x) { return std::atan(x); }>},
    {"Ceil", function<[](double x) { return std::ceil(x); }>},
    {"Clip", clip},
    {"Cos", function<[](double x) { return std::cos(x); }>},
    {"Div", arithmetic<Div>},
    {"Equal", comparison<Equal>},
    {"Erf", function<[](double x) { return std::erf(x); }>},
    {"Exp", function<[](double x) { return std::exp(x); }>},
    {"Floor", function<[](double x) { return std::floor(x); }>},
    {"Greater", comparison<Greater>},
    {"GreaterOrEqual", comparison<GreaterOrEqual>},
    {"IsInf", is_inf},
    {"IsNaN", is_nan},
    {"Less", comparison<Less>},
    {"LessOrEqual", comparison<LessOrEqual>},
    {"Log", function<[](double x) { return std::log(x); }>},
    {"Max", chain<Larger>},
    {"Mean", mean},
    {"Min", chain<Smaller>},
    {"Mod", mod},
    {"Mul", arithmetic<Mul>},
    {"Neg", mapped<Negative>},
    {"Pow", power},
    {"Reciprocal", function<[](double x) { return 1 / x; }>},
    {"ReduceL1", reduction},
    {"ReduceL2", reduction},
    {"ReduceLogSum", reduction},
    {"ReduceMax", reduction},
    {"ReduceMean", reduction},
    {"ReduceMin", reduction},
    {"ReduceProd", reduction},
    {"ReduceSum", reduction},
    {"ReduceSumSquare", reduction},
    {"Relu", function<[](double x) { return x < 0 ? 0 : x; }>},
    {"Round", function<[](double x) { return std::nearbyint(x); }>},
    {"Sigmoid", function<[](double x) { return 1 / (1 + std::exp(-x)); }>},
    {"Sign", mapped<Sign>},
    {"Sin", function<[](double x) { return std::sin(x); }>},
    {"Sqrt", function<[](double x) { return std::sqrt(x); }>},
    {"Sub", arithmetic<Sub>},
    {"Sum", chain<Add>},
    {"Tan", function<[](double x) { return std::tan(x); }>},
    {"Tanh", function<[](double x) { return std::tanh(x); }>},
    {"Where", where},
};

}  // namespace

Fold find_evaluation(std::string_view op) {
  for (const auto& entry : kEvaluations) {
    if (op == entry.op) return entry.fold;
  }
  return nullptr;
}

}  // namespace taoism::onnx
