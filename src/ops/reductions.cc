// ReduceSum, ReduceMax and the like. By their plain definitions, float32 in float64: what has no
// kernel (axes that are no neighbours) and int64.
#include <cmath>

#include "kernels/reduce.h"
#include "ops/core/element.h"
#include "ops/core/reduction.h"

namespace taoism::ops {
namespace {

using kernels::Reduction;

// Of each output: Fold(), then add(x) for every element, then value().
template <typename Fold>
Outcome reference(const RunContext& context) {
  for_each_reduced(context.node, [&](int64_t output, int64_t first, auto&& inner) {
    Fold fold;
    inner([&](int64_t offset) { fold.add(context.f32(0)[first + offset]); });
    context.out_f32()[output] = static_cast<float>(fold.value());
  });
  return {};
}

struct Sum {
  double sum = 0;
  void add(double x) { sum += x; }
  double value() const { return sum; }
};
struct Mean : Sum {
  int64_t count = 0;
  void add(double x) {
    sum += x;
    ++count;
  }
  double value() const { return sum / static_cast<double>(count); }
};
struct L1 : Sum {
  void add(double x) { sum += std::fabs(x); }
};
struct SumSquare : Sum {
  void add(double x) { sum += x * x; }
};
struct L2 : SumSquare {
  double value() const { return std::sqrt(sum); }
};
struct LogSum : Sum {
  double value() const { return std::log(sum); }
};
struct Product {
  double product = 1;
  void add(double x) { product *= x; }
  double value() const { return product; }
};
struct Largest {
  double largest = -INFINITY;
  void add(double x) {
    if (!(x <= largest) && largest == largest) largest = x;
  }
  double value() const { return largest; }
};
struct Smallest {
  double smallest = INFINITY;
  void add(double x) {
    if (!(x >= smallest) && smallest == smallest) smallest = x;
  }
  double value() const { return smallest; }
};

// log(sum of exp(x)) without overflow.
Outcome reference_log_sum_exp(const RunContext& context) {
  for_each_reduced(context.node, [&](int64_t output, int64_t first, auto&& inner) {
    Largest largest;
    inner([&](int64_t offset) { largest.add(context.f32(0)[first + offset]); });
    const double shift = std::isfinite(largest.value()) ? largest.value() : 0;
    double sum = 0;
    inner([&](int64_t offset) { sum += std::exp(context.f32(0)[first + offset] - shift); });
    context.out_f32()[output] = static_cast<float>(std::log(sum) + shift);
  });
  return {};
}

template <Reduction kReduction, Outcome (*kReference)(const RunContext&)>
Outcome run(const RunContext& context) {
  const std::optional<kernels::AxisShape> shape = middle_axis(context.node);
  if (!shape) return kReference(context);  // such as over the batch and the pixels: rare
  kernels::reduce(kReduction, *shape, context.f32(0), context.out_f32(), context.parallel);
  return {};
}

template <int64_t kFirst, int64_t (*kFold)(int64_t, int64_t)>
Outcome run_integers(const RunContext& context) {
  for_each_reduced(context.node, [&](int64_t output, int64_t first, auto&& inner) {
    int64_t value = kFirst;
    inner([&](int64_t offset) { value = kFold(value, context.in<int64_t>(0)[first + offset]); });
    context.out<int64_t>()[output] = value;
  });
  return {};
}

// One of the two for float32, the other for int64.
template <Outcome (*kReal)(const RunContext&), Outcome (*kIntegers)(const RunContext&)>
Outcome by_type(const RunContext& context) {
  return context.node.inputs[0].desc.dtype == ir::DType::i64 ? kIntegers(context) : kReal(context);
}

int64_t add(int64_t a, int64_t b) {
  return wrap(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
int64_t multiply(int64_t a, int64_t b) {
  return wrap(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}
int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }
int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// What adds up float32 may do so in another order.
constexpr Tolerance kAnyOrder = {.relative = 1e-5F, .absolute = 1e-6F};

template <Reduction kReduction, Outcome (*kReference)(const RunContext&)>
constexpr OpDef real_op(const char* name, Form form = Form::opaque) {
  return {.name = name,
          .role = Role::nonlinear,
          .form = form,
          .attrs = kReductionAttrs,
          .types = Types::real,
          .takes_empty = true,
          .tolerance = kAnyOrder,
          .infer = infer_reduction,
          .run = run<kReduction, kReference>,
          .rows = rows_of_reduction,
          .reference = kReference};
}

template <Reduction kReduction, Outcome (*kReference)(const RunContext&),
          Outcome (*kIntegers)(const RunContext&)>
constexpr OpDef number_op(const char* name, Form form, Tolerance tolerance = {}) {
  OpDef def = real_op<kReduction, kReference>(name, form);
  def.types = Types::number;
  def.tolerance = tolerance;
  def.run = by_type<run<kReduction, kReference>, kIntegers>;
  def.reference = by_type<kReference, kIntegers>;
  return def;
}

}  // namespace

TAOISM_OP(ReduceL1) = real_op<Reduction::l1, reference<L1>>("ReduceL1");
TAOISM_OP(ReduceL2) = real_op<Reduction::l2, reference<L2>>("ReduceL2");
TAOISM_OP(ReduceLogSum) = real_op<Reduction::log_sum, reference<LogSum>>("ReduceLogSum");
TAOISM_OP(ReduceLogSumExp) =
    real_op<Reduction::log_sum_exp, reference_log_sum_exp>("ReduceLogSumExp");
TAOISM_OP(ReduceMax) =
    number_op<Reduction::max, reference<Largest>, run_integers<INT64_MIN, larger>>("ReduceMax",
                                                                                  Form::reveals);
TAOISM_OP(ReduceMean) = real_op<Reduction::mean, reference<Mean>>("ReduceMean", Form::affine);
TAOISM_OP(ReduceMin) =
    number_op<Reduction::min, reference<Smallest>, run_integers<INT64_MAX, smaller>>("ReduceMin",
                                                                                    Form::reveals);
TAOISM_OP(ReduceProd) =
    number_op<Reduction::product, reference<Product>, run_integers<1, multiply>>(
        "ReduceProd", Form::opaque, kAnyOrder);
TAOISM_OP(ReduceSum) = number_op<Reduction::sum, reference<Sum>, run_integers<0, add>>(
    "ReduceSum", Form::affine, kAnyOrder);
TAOISM_OP(ReduceSumSquare) =
    real_op<Reduction::sum_square, reference<SumSquare>>("ReduceSumSquare");

}  // namespace taoism::ops
