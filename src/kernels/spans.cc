#include "kernels/spans.h"

#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/spans.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep

// After foreach_target.h, which compiles this file for the other targets first.
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "kernels/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace taoism::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;
constexpr int64_t kLanes = HWY_LANES(float);

// An operand of a loop: a stream, or one value for all.
struct Stream {
  const float* data;
  HWY_INLINE Vec load(int64_t i) const { return hn::LoadU(Tag(), data + i); }
  HWY_INLINE Vec load_tail(int64_t i, int64_t count) const { return load_first(data + i, count); }
};
struct Same {
  explicit Same(float x) : value(hn::Set(Tag(), x)) {}
  Vec value;
  HWY_INLINE Vec load(int64_t) const { return value; }
  HWY_INLINE Vec load_tail(int64_t, int64_t) const { return value; }
};

// Function objects rather than lambdas: a lambda would lose this target's instruction set.
template <typename F, typename... Operands>
HWY_INLINE void map(int64_t count, float* y, F f, const Operands&... operands) {
  int64_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    const Vec first = f(operands.load(i)...);
    const Vec second = f(operands.load(i + kLanes)...);
    hn::StoreU(first, Tag(), y + i);
    hn::StoreU(second, Tag(), y + i + kLanes);
  }
  for (; i + kLanes <= count; i += kLanes) hn::StoreU(f(operands.load(i)...), Tag(), y + i);
  if (i < count) store_first(f(operands.load_tail(i, count - i)...), y + i, count - i);
}

struct Limit {
  explicit Limit(const Bounds& b) : low(hn::Set(Tag(), b.low)), high(hn::Set(Tag(), b.high)) {}
  Vec low, high;
  HWY_INLINE Vec operator()(Vec x) const { return limit(x, low, high); }
};

HWY_INLINE Vec keep_nan(Vec x, Vec y) { return hn::IfThenElse(hn::Eq(x, x), y, x); }
HWY_INLINE Vec clamp(Vec x, float low, float high) {
  return limit(x, hn::Set(Tag(), low), hn::Set(Tag(), high));
}
// exp where it is finite and normal; the argument is at most 88.
HWY_INLINE Vec exp_low(Vec x) { return keep_nan(x, hn::Exp(Tag(), x)); }

template <BinaryOp kOp>
struct Binary {
  Limit limited;
  HWY_INLINE Vec operator()(Vec a, Vec b) const {
    if constexpr (kOp == BinaryOp::add) return limited(hn::Add(a, b));
    if constexpr (kOp == BinaryOp::sub) return limited(hn::Sub(a, b));
    if constexpr (kOp == BinaryOp::mul) return limited(hn::Mul(a, b));
    if constexpr (kOp == BinaryOp::div) return limited(hn::Div(a, b));
  }
};

template <BinaryOp kOp>
void binary_op(const float* a, bool a_scalar, const float* b, bool b_scalar, float* y,
               int64_t count, const Bounds& bounds) {
  const Binary<kOp> f{Limit(bounds)};
  if (a_scalar && b_scalar) {
    map(count, y, f, Same(*a), Same(*b));
  } else if (a_scalar) {
    map(count, y, f, Same(*a), Stream{b});
  } else if (b_scalar) {
    map(count, y, f, Stream{a}, Same(*b));
  } else {
    map(count, y, f, Stream{a}, Stream{b});
  }
}

void binary(BinaryOp op, const float* a, bool a_scalar, const float* b, bool b_scalar, float* y,
            int64_t count, const Bounds& bounds) {
  switch (op) {
    case BinaryOp::add: return binary_op<BinaryOp::add>(a, a_scalar, b, b_scalar, y, count, bounds);
    case BinaryOp::sub: return binary_op<BinaryOp::sub>(a, a_scalar, b, b_scalar, y, count, bounds);
    case BinaryOp::mul: return binary_op<BinaryOp::mul>(a, a_scalar, b, b_scalar, y, count, bounds);
    case BinaryOp::div: return binary_op<BinaryOp::div>(a, a_scalar, b, b_scalar, y, count, bounds);
  }
}

struct Affine {
  Limit limited;
  HWY_INLINE Vec operator()(Vec x, Vec scale, Vec shift) const {
    return limited(hn::MulAdd(x, scale, shift));
  }
};

void affine(const float* x, const float* scale, const float* shift, bool scalar, float* y,
            int64_t count, const Bounds& bounds) {
  const Affine f{Limit(bounds)};
  if (scalar) {
    map(count, y, f, Stream{x}, Same(*scale), Same(*shift));
  } else {
    map(count, y, f, Stream{x}, Stream{scale}, Stream{shift});
  }
}

// erf: its series where |x| < 1, else 1 - t * P(t) * exp(-x^2) with t = 1 / (1 + 0.3275911 |x|)
// (Abramowitz and Stegun, 7.1.26). Within 2e-7 everywhere.
HWY_INLINE Vec erf(Vec x) {
  const Tag d;
  const Vec one = hn::Set(d, 1.0f);
  const Vec magnitude = hn::Min(hn::Abs(x), hn::Set(d, 6.0f));
  const Vec square = hn::Mul(magnitude, magnitude);
  // 2 / sqrt(pi) * (-1)^n / (n! (2n + 1)), the highest n first.
  constexpr float kSeries[] = {-1.6365850e-7f, 1.6462120e-6f, -1.4925650e-5f, 1.2055333e-4f,
                               -8.5483270e-4f, 5.2239776e-3f, -2.6866171e-2f, 1.1283792e-1f,
                               -3.7612639e-1f, 1.1283792f};
  Vec near = hn::Set(d, kSeries[0]);
  for (int i = 1; i < 10; ++i) near = hn::MulAdd(near, square, hn::Set(d, kSeries[i]));
  near = hn::Mul(near, magnitude);
  const Vec t = hn::Div(one, hn::MulAdd(hn::Set(d, 0.3275911f), magnitude, one));
  constexpr float kTail[] = {1.061405429f, -1.453152027f, 1.421413741f, -0.284496736f,
                             0.254829592f};
  Vec far = hn::Set(d, kTail[0]);
  for (int i = 1; i < 5; ++i) far = hn::MulAdd(far, t, hn::Set(d, kTail[i]));
  far = hn::NegMulAdd(hn::Mul(far, t), hn::Exp(d, hn::Neg(square)), one);
  const Vec result = hn::IfThenElse(hn::Lt(magnitude, one), near, far);
  return keep_nan(x, hn::CopySign(result, x));
}

HWY_INLINE Vec sigmoid(Vec x) {
  const Tag d;
  const Vec one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, hn::Exp(d, hn::Neg(clamp(x, -88.0f, 88.0f)))));
}

// exp(x) - 1 for x <= 0.
HWY_INLINE Vec exp_minus_1(Vec x) {
  const Tag d;
  const Vec low = clamp(x, -88.0f, 0.0f);
  return hn::Expm1(d, low);
}

template <ActivationKind kKind>
struct Activate {
  Vec a, b;
  HWY_INLINE Vec operator()(Vec x) const {
    const Tag d;
    const Vec one = hn::Set(d, 1.0f);
    if constexpr (kKind == ActivationKind::leaky_relu) {
      return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Mul(a, x), x);
    }
    if constexpr (kKind == ActivationKind::sigmoid) {
      const Vec e = hn::Exp(d, hn::Neg(clamp(x, -88.0f, 88.0f)));
      return keep_nan(x, hn::Div(one, hn::Add(one, e)));
    }
    if constexpr (kKind == ActivationKind::hard_sigmoid) {
      return clamp(hn::MulAdd(a, x, b), 0.0f, 1.0f);
    }
    if constexpr (kKind == ActivationKind::hard_swish) {
      const Vec gate = hn::MulAdd(x, hn::Set(d, 1.0f / 6.0f), hn::Set(d, 0.5f));
      return hn::Mul(x, clamp(gate, 0.0f, 1.0f));
    }
    if constexpr (kKind == ActivationKind::tanh) {
      return keep_nan(x, hn::Tanh(d, clamp(x, -20.0f, 20.0f)));
    }
    if constexpr (kKind == ActivationKind::erf) return erf(x);
    if constexpr (kKind == ActivationKind::gelu) {
      const Vec half = hn::Mul(x, hn::Set(d, 0.5f));
      return hn::MulAdd(half, erf(hn::Mul(x, hn::Set(d, 0.70710678f))), half);
    }
    if constexpr (kKind ==
                  ActivationKind::gelu_tanh) {  // x * sigmoid(2 z): 1 + tanh z is twice that
      const Vec cubic = hn::MulAdd(hn::Mul(x, x), hn::Set(d, 0.044715f), one);
      const Vec z = hn::Mul(hn::Mul(x, cubic), hn::Set(d, 1.5957691f));
      return keep_nan(x, hn::Mul(x, sigmoid(z)));
    }
    if constexpr (kKind == ActivationKind::swish) {
      return keep_nan(x, hn::Mul(x, sigmoid(hn::Mul(a, x))));
    }
    if constexpr (kKind == ActivationKind::elu) {
      const Vec low = hn::Mul(a, exp_minus_1(x));
      return hn::Mul(b, hn::IfThenElse(hn::Lt(x, hn::Zero(d)), low, x));
    }
    if constexpr (kKind == ActivationKind::celu) {
      const Vec low = hn::Mul(a, exp_minus_1(hn::Div(x, a)));
      return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), low, x);
    }
    if constexpr (kKind == ActivationKind::mish) {
      // tanh(log(1 + e)) = e (e + 2) / (e (e + 2) + 2); above 20 it is 1.
      const Vec e = hn::Exp(d, clamp(x, -88.0f, 20.0f));
      const Vec n = hn::Mul(e, hn::Add(e, hn::Set(d, 2.0f)));
      return keep_nan(x, hn::Mul(x, hn::Div(n, hn::Add(n, hn::Set(d, 2.0f)))));
    }
    return x;
  }
};

template <ActivationKind kKind>
void activate_kind(const float* x, float* y, int64_t count, const Activation& activation) {
  map(count, y, Activate<kKind>{hn::Set(Tag(), activation.a), hn::Set(Tag(), activation.b)},
      Stream{x});
}

void activate(const float* x, float* y, int64_t count, const Activation& activation) {
  switch (activation.kind) {
    case ActivationKind::leaky_relu:
      return activate_kind<ActivationKind::leaky_relu>(x, y, count, activation);
    case ActivationKind::sigmoid:
      return activate_kind<ActivationKind::sigmoid>(x, y, count, activation);
    case ActivationKind::hard_sigmoid:
      return activate_kind<ActivationKind::hard_sigmoid>(x, y, count, activation);
    case ActivationKind::hard_swish:
      return activate_kind<ActivationKind::hard_swish>(x, y, count, activation);
    case ActivationKind::tanh: return activate_kind<ActivationKind::tanh>(x, y, count, activation);
    case ActivationKind::erf: return activate_kind<ActivationKind::erf>(x, y, count, activation);
    case ActivationKind::gelu: return activate_kind<ActivationKind::gelu>(x, y, count, activation);
    case ActivationKind::gelu_tanh:
      return activate_kind<ActivationKind::gelu_tanh>(x, y, count, activation);
    case ActivationKind::swish:
      return activate_kind<ActivationKind::swish>(x, y, count, activation);
    case ActivationKind::elu: return activate_kind<ActivationKind::elu>(x, y, count, activation);
    case ActivationKind::celu: return activate_kind<ActivationKind::celu>(x, y, count, activation);
    case ActivationKind::mish: return activate_kind<ActivationKind::mish>(x, y, count, activation);
    case ActivationKind::none:
    case ActivationKind::relu:
    case ActivationKind::clip: break;
  }
  map(count, y, Limit(bounds_of(activation)), Stream{x});
}

struct MulAdd {
  HWY_INLINE Vec operator()(Vec weight, Vec x, Vec y) const { return hn::MulAdd(weight, x, y); }
};

void axpy(float weight, const float* x, float* y, int64_t count) {
  map(count, y, MulAdd{}, Same(weight), Stream{x}, Stream{y});
}

struct MaxOrNan {
  HWY_INLINE Vec operator()(Vec x, Vec y) const { return max_or_nan(x, y); }
};

void max_into(const float* x, float* y, int64_t count) {
  map(count, y, MaxOrNan{}, Stream{y}, Stream{x});
}

struct ExpShifted {
  HWY_INLINE Vec operator()(Vec x, Vec shift) const { return exp_low(hn::Sub(x, shift)); }
};
struct Plus {
  HWY_INLINE Vec operator()(Vec x, Vec y) const { return hn::Add(x, y); }
};

void exp_into(const float* x, const float* shift, float* y, float* total, int64_t count) {
  map(count, y, ExpShifted{}, Stream{x}, Stream{shift});
  map(count, total, Plus{}, Stream{total}, Stream{y});
}

// Folds a stream in four independent sums; `identity` fills what is missing.
template <typename F>
HWY_INLINE float fold(const float* x, int64_t count, float identity, F f) {
  const Tag d;
  Vec sums[4] = {hn::Set(d, identity), hn::Set(d, identity), hn::Set(d, identity),
                 hn::Set(d, identity)};
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    sums[0] = f(sums[0], hn::LoadU(d, x + i));
    sums[1] = f(sums[1], hn::LoadU(d, x + i + kLanes));
    sums[2] = f(sums[2], hn::LoadU(d, x + i + 2 * kLanes));
    sums[3] = f(sums[3], hn::LoadU(d, x + i + 3 * kLanes));
  }
  for (; i + kLanes <= count; i += kLanes) sums[0] = f(sums[0], hn::LoadU(d, x + i));
  alignas(64) float buffer[kLanes];
  hn::Store(f(f(sums[0], sums[1]), f(sums[2], sums[3])), d, buffer);
  float result = buffer[0];
  for (int64_t j = 1; j < kLanes; ++j) result = f.one(result, buffer[j]);
  for (; i < count; ++i) result = f.one(result, x[i]);
  return result;
}

struct FoldSum {
  HWY_INLINE Vec operator()(Vec x, Vec y) const { return hn::Add(x, y); }
  static float one(float x, float y) { return x + y; }
};
struct FoldMax {
  HWY_INLINE Vec operator()(Vec x, Vec y) const { return max_or_nan(x, y); }
  static float one(float x, float y) { return x != x ? x : (y > x || y != y ? y : x); }
};

float max(const float* x, int64_t count) { return fold(x, count, Bounds{}.low, FoldMax{}); }
float squares(const float* x, float center, int64_t count) {
  const Tag d;
  const Vec middle = hn::Set(d, center);
  Vec sums[2] = {hn::Zero(d), hn::Zero(d)};
  int64_t i = 0;
  for (; i + 2 * kLanes <= count; i += 2 * kLanes) {
    for (int64_t n = 0; n < 2; ++n) {
      const Vec apart = hn::Sub(hn::LoadU(d, x + i + n * kLanes), middle);
      sums[n] = hn::MulAdd(apart, apart, sums[n]);
    }
  }
  alignas(64) float buffer[kLanes];
  hn::Store(hn::Add(sums[0], sums[1]), d, buffer);
  float result = buffer[0];
  for (int64_t j = 1; j < kLanes; ++j) result += buffer[j];
  for (; i < count; ++i) result += (x[i] - center) * (x[i] - center);
  return result;
}
float sum(const float* x, int64_t count) { return fold(x, count, 0.0f, FoldSum{}); }

float exp_shifted(const float* x, float shift, float* y, int64_t count) {
  map(count, y, ExpShifted{}, Stream{x}, Same(shift));
  return sum(y, count);
}

}  // namespace taoism::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taoism::kernels {

void binary_span(BinaryOp op, const float* a, bool a_scalar, const float* b, bool b_scalar,
                 float* y, int64_t count, const Bounds& bounds) {
  TAOISM_DISPATCH(binary)(op, a, a_scalar, b, b_scalar, y, count, bounds);
}

void affine_span(const float* x, const float* scale, const float* shift, bool scalar, float* y,
                 int64_t count, const Bounds& bounds) {
  TAOISM_DISPATCH(affine)(x, scale, shift, scalar, y, count, bounds);
}

void activate_span(const float* x, float* y, int64_t count, const Activation& activation) {
  TAOISM_DISPATCH(activate)(x, y, count, activation);
}

void axpy_span(float weight, const float* x, float* y, int64_t count) {
  TAOISM_DISPATCH(axpy)(weight, x, y, count);
}

void max_into_span(const float* x, float* y, int64_t count) {
  TAOISM_DISPATCH(max_into)(x, y, count);
}

void exp_into_span(const float* x, const float* shift, float* y, float* total, int64_t count) {
  TAOISM_DISPATCH(exp_into)(x, shift, y, total, count);
}

float max_span(const float* x, int64_t count) { return TAOISM_DISPATCH(max)(x, count); }
float sum_span(const float* x, int64_t count) { return TAOISM_DISPATCH(sum)(x, count); }

float squares_span(const float* x, float center, int64_t count) {
  return TAOISM_DISPATCH(squares)(x, center, count);
}

float exp_span(const float* x, float shift, float* y, int64_t count) {
  return TAOISM_DISPATCH(exp_shifted)(x, shift, y, count);
}

}  // namespace taoism::kernels
#endif
