// Mathematical functions of vectors of float32, within a few units in the last place, by
// approximations whose coefficients were fitted for the least relative error (Lawson's weighted
// least squares for polynomials, linear programs for quotients). Highway's own are up to four times
// slower than memory. NaN gives NaN. Included once per target.
#if defined(TAOISM_KERNELS_MATH_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TAOISM_KERNELS_MATH_INL_H
#undef TAOISM_KERNELS_MATH_INL_H
#else
#define TAOISM_KERNELS_MATH_INL_H
#endif

#include <limits>

#include "hwy/highway.h"
#include "kernels/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace taoism::kernels::HWY_NAMESPACE {
namespace math {

namespace hn = hwy::HWY_NAMESPACE;
using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;

HWY_INLINE Vec set(float x) { return hn::Set(Tag(), x); }
HWY_INLINE Vec keep_nan(Vec x, Vec y) { return hn::IfThenElse(hn::Eq(x, x), y, x); }

// coefficients[0] + coefficients[1] * x + ...
template <size_t kCount>
HWY_INLINE Vec polynomial(Vec x, const float (&coefficients)[kCount]) {
  Vec y = set(coefficients[kCount - 1]);
#pragma GCC unroll 16
  for (size_t i = kCount - 1; i > 0; --i) y = hn::MulAdd(y, x, set(coefficients[i - 1]));
  return y;
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();
// Between these exp is finite and normal.
constexpr float kLeastOfExp = -87.33654f;
constexpr float kMostOfExp = 88.72283f;

// exp(x) = 2^n * (1 + p), n the integer next to x / ln 2: |x - n ln 2| <= ln 2 / 2.
struct ExpParts {
  hn::Vec<hn::RebindToSigned<Tag>> n_bits;  // n at the place of a float's exponent
  Vec p;
};

// kLeastOfExp <= x <= kMostOfExp.
HWY_INLINE ExpParts exp_parts(Vec x) {
  // Adding 1.5 * 2^23 leaves the integer in the lowest bits; ln 2 in two parts, of which the first
  // times n is exact.
  const Vec magic = set(12582912.0f);
  const Vec shifted = hn::MulAdd(x, set(1.44269504f), magic);
  const Vec n = hn::Sub(shifted, magic);
  Vec r = hn::NegMulAdd(n, set(0.693359375f), x);
  r = hn::NegMulAdd(n, set(-2.12194440e-4f), r);
  constexpr float kTail[] = {0.49999994f, 0.16666520f, 0.041668393f, 0.0083687456f, 0.0013814535f};
  const Vec p = hn::MulAdd(hn::Mul(r, r), polynomial(r, kTail), r);
  return {hn::ShiftLeft<23>(hn::BitCast(hn::RebindToSigned<Tag>(), shifted)), p};
}

// exp(x), kLeastOfExp <= x <= kMostOfExp.
HWY_INLINE Vec exp_inside(Vec x) {
  const ExpParts parts = exp_parts(x);
  const hn::RebindToSigned<Tag> integers;
  const Vec y = hn::Add(parts.p, set(1.0f));
  return hn::BitCast(Tag(), hn::Add(hn::BitCast(integers, y), parts.n_bits));
}

// exp(x) for x <= kMostOfExp; 0 where it would not be normal.
HWY_INLINE Vec exp_low(Vec x) {
  const Vec y = exp_inside(hn::Max(x, set(kLeastOfExp)));
  return keep_nan(x, hn::IfThenElse(hn::Lt(x, set(kLeastOfExp)), hn::Zero(Tag()), y));
}

HWY_INLINE Vec exp(Vec x) {
  const Vec y = exp_low(limit(x, set(-kInfinity), set(kMostOfExp)));
  return hn::IfThenElse(hn::Gt(x, set(kMostOfExp)), set(kInfinity), y);
}

// exp(x) - 1 for x <= 0, exact to the last places near 0 too.
HWY_INLINE Vec exp_minus_1(Vec x) {
  const ExpParts parts = exp_parts(limit(x, set(-80.0f), set(0.0f)));
  const hn::RebindToSigned<Tag> integers;
  const Vec power = hn::BitCast(Tag(), hn::Add(hn::BitCast(integers, set(1.0f)), parts.n_bits));
  return keep_nan(x, hn::MulAdd(power, parts.p, hn::Sub(power, set(1.0f))));
}

// y where x >= least; below it 0, and NaN of NaN: of a function that comes to 0, so that -inf times
// it is what -inf times 0 is.
HWY_INLINE Vec zero_below(Vec x, Vec least, Vec y) {
  return hn::IfThenElse(hn::Ge(x, least), y, at_least(x, hn::Zero(Tag())));
}

// 1 / (1 + exp(-x)) where x >= kLeastOfExp.
HWY_INLINE Vec sigmoid_inside(Vec x) {
  const Vec e = exp_inside(hn::Neg(limit(x, set(kLeastOfExp), set(87.0f))));
  return hn::Div(set(1.0f), hn::Add(set(1.0f), e));
}

// 1 / (1 + exp(-x)); 0 where it would not be normal.
HWY_INLINE Vec sigmoid(Vec x) { return zero_below(x, set(kLeastOfExp), sigmoid_inside(x)); }

// x * P(x^2) / Q(x^2) where |x| < bound, +-1 beyond.
template <size_t kP, size_t kQ>
HWY_INLINE Vec odd_quotient(Vec x, float bound, const float (&p)[kP], const float (&q)[kQ]) {
  const Vec square = hn::Mul(x, x);
  const Vec y = hn::Div(hn::Mul(x, polynomial(square, p)), polynomial(square, q));
  return hn::IfThenElse(hn::Gt(hn::Abs(x), set(bound)), hn::CopySign(set(1.0f), x), y);
}

HWY_INLINE Vec tanh(Vec x) {
  constexpr float kP[] = {0.99999994f, 0.13371345f, 0.0034829476f, 2.0353580e-5f, 1.2913123e-8f};
  constexpr float kQ[] = {1.0f, 0.46704680f, 0.025831901f, 3.2629154e-4f, 7.6141617e-7f};
  return odd_quotient(x, 9.01f, kP, kQ);
}

HWY_INLINE Vec erf(Vec x) {
  constexpr float kP[] = {1.1283791f,    0.18819568f,   0.052431397f,
                          0.0036644088f, 2.8152032e-4f, 2.0524319e-6f};
  constexpr float kQ[] = {1.0f,         0.50011730f,   0.11317275f,
                          0.014766879f, 0.0011360069f, 3.7941219e-5f};
  return odd_quotient(x, 3.94f, kP, kQ);
}

// log(m 2^n / 2^scaled) = (n - scaled) ln 2 + log(m), sqrt(1/2) <= m < sqrt(2), of a normal number.
HWY_INLINE Vec log_normal(Vec x, Vec scaled) {
  const hn::RebindToSigned<Tag> integers;
  const auto offset = hn::Set(integers, 0x3F3504F3);  // sqrt(1/2)
  const auto above = hn::Sub(hn::BitCast(integers, x), offset);
  const auto mantissa = hn::And(above, hn::Set(integers, 0x007FFFFF));
  const Vec f = hn::Sub(hn::BitCast(Tag(), hn::Add(mantissa, offset)), set(1.0f));
  const Vec n = hn::Sub(hn::ConvertTo(Tag(), hn::ShiftRight<23>(above)), scaled);
  constexpr float kTail[] = {0.33333332f, -0.25000821f, 0.20001226f, -0.16623355f,
                             0.14201768f, -0.13160211f, 0.12761516f, -0.076343443f};
  const Vec square = hn::Mul(f, f);
  Vec y = hn::MulAdd(n, set(-2.12194440e-4f), hn::Mul(hn::Mul(square, f), polynomial(f, kTail)));
  y = hn::NegMulAdd(square, set(0.5f), y);
  return hn::MulAdd(n, set(0.693359375f), hn::Add(f, y));
}

HWY_INLINE Vec log(Vec x) {
  const Vec least = set(std::numeric_limits<float>::min());
  if (hn::AllTrue(Tag(), hn::And(hn::Ge(x, least), hn::Lt(x, set(kInfinity))))) {
    return log_normal(x, hn::Zero(Tag()));
  }
  const auto tiny = hn::Lt(x, least);
  Vec y = log_normal(hn::IfThenElse(tiny, hn::Mul(x, set(16777216.0f)), x),  // 2^24
                     hn::IfThenElseZero(tiny, set(24.0f)));
  y = hn::IfThenElse(hn::Eq(x, set(kInfinity)), x, y);
  y = hn::IfThenElse(hn::Eq(x, hn::Zero(Tag())), set(-kInfinity), y);
  return keep_nan(x, hn::IfThenElse(hn::Lt(x, hn::Zero(Tag())), hn::NaN(Tag()), y));
}

// log(1 + exp(x)) = max(x, 0) + log(1 + e), e = exp(-|x|), by e * P(e) / Q(e).
HWY_INLINE Vec softplus(Vec x) {
  constexpr float kP[] = {1.0f, 1.0660516f, 0.23806050f, 0.0034143186f};
  constexpr float kQ[] = {1.0f, 1.5660515f, 0.68775588f, 0.075249597f};
  const Vec e = exp_low(hn::Neg(hn::Abs(x)));
  const Vec tail = hn::Div(hn::Mul(e, polynomial(e, kP)), polynomial(e, kQ));
  return keep_nan(x, hn::Add(hn::Max(x, hn::Zero(Tag())), tail));
}

}  // namespace math
}  // namespace taoism::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
