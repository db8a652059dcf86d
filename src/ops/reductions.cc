// ReduceSum, ReduceMax and the like, by their plain definitions: float32 in float64, and int64.
#include <cmath>

#include "ops/core/element.h"
#include "ops/core/reduction.h"

namespace taoism::ops {
namespace {

// Of each output: Fold(), then add(x) for every element, then value().
template <typename Fold>
void run(const RunContext& context) {
  for_each_reduced(context.node, [&](int64_t output, int64_t first, auto&& inner) {
    Fold fold;
    inner([&](int64_t offset) { fold.add(context.f32(0)[first + offset]); });
    context.out_f32()[output] = static_cast<float>(fold.value());
  });
}

struct Sum {
  double sum = 0;
  void add(double x) { sum += x; }
  double value() const { return sum; }
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
void run_log_sum_exp(const RunContext& context) {
  for_each_reduced(context.node, [&](int64_t output, int64_t first, auto&& inner) {
    Largest largest;
    inner([&](int64_t offset) { largest.add(context.f32(0)[first + offset]); });
    const double shift = std::isfinite(largest.value()) ? largest.value() : 0;
    double sum = 0;
    inner([&](int64_t offset) { sum += std::exp(context.f32(0)[first + offset] - shift); });
    context.out_f32()[output] = static_cast<float>(std::log(sum) + shift);
  });
}

template <int64_t kFirst, int64_t (*kFold)(int64_t, int64_t), typename Real>
void run_number(const RunContext& context) {
  if (context.node.inputs[0].desc.dtype != ir::DType::i64) return run<Real>(context);
  for_each_reduced(context.node, [&](int64_t output, int64_t first, auto&& inner) {
    int64_t value = kFirst;
    inner([&](int64_t offset) { value = kFold(value, context.in<int64_t>(0)[first + offset]); });
    context.out<int64_t>()[output] = value;
  });
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

constexpr OpDef reduction_op(const char* name, Types types, void (*run)(const RunContext&),
                             Tolerance tolerance = kAnyOrder) {
  return {.name = name,
          .role = Role::nonlinear,
          .attrs = kReductionAttrs,
          .types = types,
          .takes_empty = true,
          .tolerance = tolerance,
          .infer = infer_reduction,
          .run = run,
          .splits_batch = reduction_splits_batch};
}

constexpr auto kReal = Types::real;
constexpr auto kNumber = Types::number;

}  // namespace

TAOISM_OP(ReduceL1) = reduction_op("ReduceL1", kReal, run<L1>);
TAOISM_OP(ReduceL2) = reduction_op("ReduceL2", kReal, run<L2>);
TAOISM_OP(ReduceLogSum) = reduction_op("ReduceLogSum", kReal, run<LogSum>);
TAOISM_OP(ReduceLogSumExp) = reduction_op("ReduceLogSumExp", kReal, run_log_sum_exp);
TAOISM_OP(ReduceMax) = reduction_op("ReduceMax", kNumber, run_number<INT64_MIN, larger, Largest>,
                                    {});
TAOISM_OP(ReduceMin) = reduction_op("ReduceMin", kNumber, run_number<INT64_MAX, smaller, Smallest>,
                                    {});
TAOISM_OP(ReduceProd) = reduction_op("ReduceProd", kNumber, run_number<1, multiply, Product>);
TAOISM_OP(ReduceSum) = reduction_op("ReduceSum", kNumber, run_number<0, add, Sum>);
TAOISM_OP(ReduceSumSquare) = reduction_op("ReduceSumSquare", kReal, run<SumSquare>);

}  // namespace taoism::ops
