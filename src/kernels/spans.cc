#include "kernels/spans.h"

#include "kernels/dispatch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/spans.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep

// After foreach_target.h, which compiles this file for the other targets first.
#include "hwy/highway.h"
#include "kernels/math-inl.h"
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

HWY_INLINE Vec clamp(Vec x, float low, float high) {
  return limit(x, hn::Set(Tag(), low), hn::Set(Tag(), high));
}
template <BinaryOp kOp>
struct Binary {
  Limit limited;
  HWY_INLINE Vec operator()(Vec a, Vec b) const {
    if constexpr (kOp == BinaryOp::add) return limited(hn::Add(a, b));
    if constexpr (kOp == BinaryOp::sub) return limited(hn::Sub(a, b));
    if constexpr (kOp == BinaryOp::mul) return limited(hn::Mul(a, b));
    if constexpr (kOp == BinaryOp::div) return limited(hn::Div(a, b));
    if constexpr (kOp == BinaryOp::min) return limited(min_or_nan(a, b));
    if constexpr (kOp == BinaryOp::max) return limited(max_or_nan(a, b));
    if constexpr (kOp == BinaryOp::prelu) {
      return limited(hn::IfThenElse(hn::Lt(a, hn::Zero(Tag())), hn::Mul(a, b), a));
    }
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
  const auto run = [&](auto function) { function(a, a_scalar, b, b_scalar, y, count, bounds); };
  switch (op) {
    case BinaryOp::add: return run(binary_op<BinaryOp::add>);
    case BinaryOp::sub: return run(binary_op<BinaryOp::sub>);
    case BinaryOp::mul: return run(binary_op<BinaryOp::mul>);
    case BinaryOp::div: return run(binary_op<BinaryOp::div>);
    case BinaryOp::min: return run(binary_op<BinaryOp::min>);
    case BinaryOp::max: return run(binary_op<BinaryOp::max>);
    case BinaryOp::prelu: return run(binary_op<BinaryOp::prelu>);
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
      return math::sigmoid(x);
    }
    if constexpr (kKind == ActivationKind::hard_sigmoid) {
      return clamp(hn::MulAdd(a, x, b), 0.0f, 1.0f);
    }
    if constexpr (kKind == ActivationKind::hard_swish) {
      const Vec gate = hn::MulAdd(x, hn::Set(d, 1.0f / 6.0f), hn::Set(d, 0.5f));
      return hn::Mul(x, clamp(gate, 0.0f, 1.0f));
    }
    if constexpr (kKind == ActivationKind::tanh) {
      return math::tanh(x);
    }
    if constexpr (kKind == ActivationKind::erf) return math::erf(x);
    if constexpr (kKind == ActivationKind::gelu) {
      const Vec half = hn::Mul(x, hn::Set(d, 0.5f));
      return hn::MulAdd(half, math::erf(hn::Mul(x, hn::Set(d, 0.70710678f))), half);
    }
    if constexpr (kKind ==
                  ActivationKind::gelu_tanh) {  // x * sigmoid(2 z): 1 + tanh z is twice that
      const Vec cubic = hn::MulAdd(hn::Mul(x, x), hn::Set(d, 0.044715f), one);
      const Vec z = hn::Mul(hn::Mul(x, cubic), hn::Set(d, 1.5957691f));
      // Of NaN the factor is 0, and the product NaN again.
      const auto is_normal = hn::Ge(z, hn::Set(d, math::kLeastOfExp));
      return hn::Mul(x, hn::IfThenElseZero(is_normal, math::sigmoid_inside(z)));
    }
    if constexpr (kKind == ActivationKind::swish) {
      return hn::Mul(x, math::sigmoid(hn::Mul(a, x)));
    }
    if constexpr (kKind == ActivationKind::elu) {
      const Vec low = hn::Mul(a, math::exp_minus_1(x));
      return hn::Mul(b, hn::IfThenElse(hn::Lt(x, hn::Zero(d)), low, x));
    }
    if constexpr (kKind == ActivationKind::celu) {
      const Vec low = hn::Mul(a, math::exp_minus_1(hn::Div(x, a)));
      return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), low, x);
    }
    if constexpr (kKind == ActivationKind::mish) {
      // tanh(log(1 + e)) = e (e + 2) / (e (e + 2) + 2); above 20 it is 1.
      const Vec e = math::exp_inside(clamp(x, -87.0f, 20.0f));
      const Vec n = hn::Mul(e, hn::Add(e, hn::Set(d, 2.0f)));
      const Vec factor = hn::Div(n, hn::Add(n, hn::Set(d, 2.0f)));
      return hn::Mul(x, math::zero_below(x, hn::Set(d, -87.0f), factor));
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

template <UnaryOp kOp>
struct Unary {
  HWY_INLINE Vec operator()(Vec x) const {
    const Tag d;
    const Vec one = hn::Set(d, 1.0f);
    if constexpr (kOp == UnaryOp::abs) return hn::Abs(x);
    if constexpr (kOp == UnaryOp::neg) return hn::Neg(x);
    if constexpr (kOp == UnaryOp::sqrt) return hn::Sqrt(x);
    if constexpr (kOp == UnaryOp::reciprocal) return hn::Div(one, x);
    if constexpr (kOp == UnaryOp::floor) return hn::Floor(x);
    if constexpr (kOp == UnaryOp::ceil) return hn::Ceil(x);
    if constexpr (kOp == UnaryOp::round) return hn::Round(x);
    if constexpr (kOp == UnaryOp::sign) {
      const Vec signed_one = hn::CopySign(one, x);
      return hn::IfThenElse(hn::Gt(hn::Abs(x), hn::Zero(d)), signed_one, x);
    }
    if constexpr (kOp == UnaryOp::exp) return math::exp(x);
    if constexpr (kOp == UnaryOp::log) return math::log(x);
    if constexpr (kOp == UnaryOp::softplus) return math::softplus(x);
    if constexpr (kOp == UnaryOp::softsign) return hn::Div(x, hn::Add(one, hn::Abs(x)));
  }
};

void unary(UnaryOp op, const float* x, float* y, int64_t count) {
  const auto run = [&](auto function) { map(count, y, function, Stream{x}); };
  switch (op) {
    case UnaryOp::abs: return run(Unary<UnaryOp::abs>());
    case UnaryOp::neg: return run(Unary<UnaryOp::neg>());
    case UnaryOp::sqrt: return run(Unary<UnaryOp::sqrt>());
    case UnaryOp::reciprocal: return run(Unary<UnaryOp::reciprocal>());
    case UnaryOp::floor: return run(Unary<UnaryOp::floor>());
    case UnaryOp::ceil: return run(Unary<UnaryOp::ceil>());
    case UnaryOp::round: return run(Unary<UnaryOp::round>());
    case UnaryOp::sign: return run(Unary<UnaryOp::sign>());
    case UnaryOp::exp: return run(Unary<UnaryOp::exp>());
    case UnaryOp::log: return run(Unary<UnaryOp::log>());
    case UnaryOp::softplus: return run(Unary<UnaryOp::softplus>());
    case UnaryOp::softsign: return run(Unary<UnaryOp::softsign>());
  }
}

struct MulAdd {
  HWY_INLINE Vec operator()(Vec weight, Vec x, Vec y) const { return hn::MulAdd(weight, x, y); }
};

void axpy(float weight, const float* x, float* y, int64_t count) {
  map(count, y, MulAdd{}, Same(weight), Stream{x}, Stream{y});
}

// One element of a fold: x taken in by a sum, a product, a larger or a smaller one.
template <Fold kFold>
struct Folding {
  static constexpr bool kAdds =
      kFold == Fold::sum || kFold == Fold::magnitudes || kFold == Fold::squares;
  // x into y.
  HWY_INLINE Vec operator()(Vec x, Vec y) const {
    if constexpr (kFold == Fold::magnitudes) return hn::Add(y, hn::Abs(x));
    if constexpr (kFold == Fold::squares) return hn::MulAdd(x, x, y);
    return join(x, y);
  }
  // Two parts of a fold.
  HWY_INLINE Vec join(Vec x, Vec y) const {
    if constexpr (kAdds) return hn::Add(y, x);
    if constexpr (kFold == Fold::product) return hn::Mul(y, x);
    if constexpr (kFold == Fold::max) return max_or_nan(y, x);
    if constexpr (kFold == Fold::min) return min_or_nan(y, x);
  }
  static float join_one(float x, float y) {
    if constexpr (kAdds) return y + x;
    if constexpr (kFold == Fold::product) return y * x;
    if constexpr (kFold == Fold::max) return y != y || y > x ? y : x;
    if constexpr (kFold == Fold::min) return y != y || y < x ? y : x;
  }
};

// All lanes as one, neighbours last, so that the additions do not wait for each other.
template <typename F>
HWY_INLINE float join_lanes(Vec v, F f) {
  alignas(64) float lanes[kLanes];
  hn::Store(v, Tag(), lanes);
#pragma GCC unroll 4
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t i = 0; i < half; ++i) lanes[i] = f.join_one(lanes[i + half], lanes[i]);
  }
  return lanes[0];
}

// Folds a stream in eight parts, which hide the latency of an addition; what is beyond the end of
// it is `rest` to the fold.
template <typename F>
HWY_INLINE float fold_stream(const float* x, int64_t count, float identity, float rest, F f) {
  const Tag d;
  Vec part[8];
  for (Vec& v : part) v = hn::Set(d, identity);
  int64_t i = 0;
  for (; i + 8 * kLanes <= count; i += 8 * kLanes) {
#pragma GCC unroll 8
    for (int64_t n = 0; n < 8; ++n) part[n] = f(hn::LoadU(d, x + i + n * kLanes), part[n]);
  }
  for (int64_t n = 0; i + kLanes <= count; i += kLanes, ++n) {
    part[n] = f(hn::LoadU(d, x + i), part[n]);
  }
  if (i < count) part[7] = f(load_first(x + i, count - i, hn::Set(d, rest)), part[7]);
#pragma GCC unroll 4
  for (int64_t half = 4; half > 0; half /= 2) {
    for (int64_t n = 0; n < half; ++n) part[n] = f.join(part[n + half], part[n]);
  }
  return join_lanes(part[0], f);
}

template <Fold kFold>
float fold_one(const float* x, int64_t count) {
  constexpr float kNothing = identity_of(kFold);
  return fold_stream(x, count, kNothing, kNothing, Folding<kFold>());
}

// f(row's element, so far) over kRows rows at once: so many streams keep memory busy where each is
// short.
template <int64_t kRows, typename F>
HWY_INLINE void into_columns(const float* x, int64_t stride, float* y, int64_t count, F f) {
  const Tag d;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    Vec so_far = hn::LoadU(d, y + i);
#pragma GCC unroll 8
    for (int64_t r = 0; r < kRows; ++r) so_far = f(hn::LoadU(d, x + r * stride + i), so_far);
    hn::StoreU(so_far, d, y + i);
  }
  if (i == count) return;
  Vec so_far = load_first(y + i, count - i);
  for (int64_t r = 0; r < kRows; ++r) so_far = f(load_first(x + r * stride + i, count - i), so_far);
  store_first(so_far, y + i, count - i);
}

template <Fold kFold>
void fold_into_one(const float* x, const Rows& rows, float* y, int64_t count) {
  int64_t r = 0;
  for (; r + 8 <= rows.count; r += 8) {
    into_columns<8>(x + r * rows.stride, rows.stride, y, count, Folding<kFold>());
  }
  for (; r + 2 <= rows.count; r += 2) {
    into_columns<2>(x + r * rows.stride, rows.stride, y, count, Folding<kFold>());
  }
  for (; r < rows.count; ++r) {
    into_columns<1>(x + r * rows.stride, rows.stride, y, count, Folding<kFold>());
  }
}

float fold(Fold fold, const float* x, int64_t count) {
  switch (fold) {
    case Fold::sum: return fold_one<Fold::sum>(x, count);
    case Fold::magnitudes: return fold_one<Fold::magnitudes>(x, count);
    case Fold::squares: return fold_one<Fold::squares>(x, count);
    case Fold::product: return fold_one<Fold::product>(x, count);
    case Fold::max: return fold_one<Fold::max>(x, count);
    case Fold::min: break;
  }
  return fold_one<Fold::min>(x, count);
}

void fold_into(Fold fold, const float* x, const Rows& rows, float* y, int64_t count) {
  switch (fold) {
    case Fold::sum: return fold_into_one<Fold::sum>(x, rows, y, count);
    case Fold::magnitudes: return fold_into_one<Fold::magnitudes>(x, rows, y, count);
    case Fold::squares: return fold_into_one<Fold::squares>(x, rows, y, count);
    case Fold::product: return fold_into_one<Fold::product>(x, rows, y, count);
    case Fold::max: return fold_into_one<Fold::max>(x, rows, y, count);
    case Fold::min: return fold_into_one<Fold::min>(x, rows, y, count);
  }
}

struct AddSquareApart : Folding<Fold::sum> {
  Vec center;
  explicit AddSquareApart(float c) : center(hn::Set(Tag(), c)) {}
  HWY_INLINE Vec operator()(Vec x, Vec y) const {
    const Vec apart = hn::Sub(x, center);
    return hn::MulAdd(apart, apart, y);
  }
};

float squares(const float* x, float center, int64_t count) {
  return fold_stream(x, count, 0.0f, center, AddSquareApart(center));
}

struct Normalize {
  Vec mean, factor;
  HWY_INLINE Vec operator()(Vec x) const { return hn::Mul(hn::Sub(x, mean), factor); }
  HWY_INLINE Vec operator()(Vec x, Vec scale, Vec shift) const {
    return hn::MulAdd((*this)(x), scale, shift);
  }
};

void normalize(const float* x, float mean, float factor, const float* scale, const float* shift,
               float* y, int64_t count) {
  const Normalize f{hn::Set(Tag(), mean), hn::Set(Tag(), factor)};
  if (scale != nullptr && shift != nullptr) {
    map(count, y, f, Stream{x}, Stream{scale}, Stream{shift});
  } else if (scale != nullptr) {
    map(count, y, f, Stream{x}, Stream{scale}, Same(0.0f));
  } else if (shift != nullptr) {
    map(count, y, f, Stream{x}, Same(1.0f), Stream{shift});
  } else {
    map(count, y, f, Stream{x});
  }
}

// Takes exp(x - shift) into a sum and stores it, unless there is nowhere to.
template <bool kStores>
float exp_total(const float* x, float shift, float* y, int64_t count) {
  const Tag d;
  const Vec offset = hn::Set(d, shift);
  Vec part[4];
  for (Vec& v : part) v = hn::Zero(d);
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
#pragma GCC unroll 4
    for (int64_t n = 0; n < 4; ++n) {
      const Vec e = math::exp_low(hn::Sub(hn::LoadU(d, x + i + n * kLanes), offset));
      if constexpr (kStores) hn::StoreU(e, d, y + i + n * kLanes);
      part[n] = hn::Add(part[n], e);
    }
  }
  for (; i + kLanes <= count; i += kLanes) {
    const Vec e = math::exp_low(hn::Sub(hn::LoadU(d, x + i), offset));
    if constexpr (kStores) hn::StoreU(e, d, y + i);
    part[0] = hn::Add(part[0], e);
  }
  if (i < count) {  // beyond the end: exp(-inf), which is 0
    const Vec rest = hn::Set(d, Bounds{}.low);
    const Vec e = math::exp_low(hn::Sub(load_first(x + i, count - i, rest), offset));
    if constexpr (kStores) store_first(e, y + i, count - i);
    part[1] = hn::Add(part[1], e);
  }
  return join_lanes(hn::Add(hn::Add(part[0], part[1]), hn::Add(part[2], part[3])),
                    Folding<Fold::sum>());
}

float exp_shifted(const float* x, float shift, float* y, int64_t count) {
  return y != nullptr ? exp_total<true>(x, shift, y, count) : exp_total<false>(x, shift, y, count);
}

template <bool kStores>
HWY_INLINE void exp_into_rows(const float* x, const Rows& rows, const float* shift, float* y,
                              float* total, int64_t count) {
  const Tag d;
  for (int64_t r = 0; r < rows.count; ++r) {
    const float* from = x + r * rows.stride;
    float* to = y + (kStores ? r * rows.stride : 0);
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
      const Vec e = math::exp_low(hn::Sub(hn::LoadU(d, from + i), hn::LoadU(d, shift + i)));
      if constexpr (kStores) hn::StoreU(e, d, to + i);
      hn::StoreU(hn::Add(hn::LoadU(d, total + i), e), d, total + i);
    }
    if (i == count) continue;
    const int64_t rest = count - i;
    const Vec e = math::exp_low(hn::Sub(load_first(from + i, rest), load_first(shift + i, rest)));
    if constexpr (kStores) store_first(e, to + i, rest);
    store_first(hn::Add(load_first(total + i, rest), e), total + i, rest);
  }
}

void exp_into(const float* x, const Rows& rows, const float* shift, float* y, float* total,
              int64_t count) {
  if (y != nullptr) return exp_into_rows<true>(x, rows, shift, y, total, count);
  exp_into_rows<false>(x, rows, shift, y, total, count);
}

struct Times {
  HWY_INLINE Vec operator()(Vec x, Vec y) const { return hn::Mul(x, y); }
};

void multiply(float* y, const Rows& rows, const float* factor, int64_t count) {
  for (int64_t r = 0; r < rows.count; ++r) {
    float* row = y + r * rows.stride;
    map(count, row, Times(), Stream{row}, Stream{factor});
  }
}

}  // namespace taoism::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace taoism::kernels {

void unary_span(UnaryOp op, const float* x, float* y, int64_t count) {
  TAOISM_DISPATCH(unary)(op, x, y, count);
}

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

float fold_span(Fold fold, const float* x, int64_t count) {
  return TAOISM_DISPATCH(fold)(fold, x, count);
}

void fold_into_span(Fold fold, const float* x, const Rows& rows, float* y, int64_t count) {
  TAOISM_DISPATCH(fold_into)(fold, x, rows, y, count);
}

float squares_span(const float* x, float center, int64_t count) {
  return TAOISM_DISPATCH(squares)(x, center, count);
}

void normalize_span(const float* x, float mean, float factor, const float* scale,
                    const float* shift, float* y, int64_t count) {
  TAOISM_DISPATCH(normalize)(x, mean, factor, scale, shift, y, count);
}

float exp_span(const float* x, float shift, float* y, int64_t count) {
  return TAOISM_DISPATCH(exp_shifted)(x, shift, y, count);
}

void exp_into_span(const float* x, const Rows& rows, const float* shift, float* y, float* total,
                   int64_t count) {
  TAOISM_DISPATCH(exp_into)(x, rows, shift, y, total, count);
}

void multiply_span(float* y, const Rows& rows, const float* factor, int64_t count) {
  TAOISM_DISPATCH(multiply)(y, rows, factor, count);
}

}  // namespace taoism::kernels
#endif
