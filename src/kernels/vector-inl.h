// What Highway lacks: limits that let NaN through, parts of vectors. Included once per target,
// after highway.h.
#if defined(TAOISM_KERNELS_VECTOR_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TAOISM_KERNELS_VECTOR_INL_H
#undef TAOISM_KERNELS_VECTOR_INL_H
#else
#define TAOISM_KERNELS_VECTOR_INL_H
#endif

HWY_BEFORE_NAMESPACE();
namespace taoism::kernels::HWY_NAMESPACE {

// x limited to [low, high]; NaN unchanged.
template <typename Vec>
HWY_INLINE Vec limit(Vec x, Vec low, Vec high) {
  namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  // These return their second operand when either is NaN.
  return hn::Min(high, hn::Max(low, x));
#else
  const Vec above = hn::IfThenElse(hn::Lt(x, low), low, x);
  return hn::IfThenElse(hn::Gt(above, high), high, above);
#endif
}

// The larger one of x and low, which is no NaN; NaN unchanged.
template <typename Vec>
HWY_INLINE Vec at_least(Vec x, Vec low) {
  namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  return hn::Max(low, x);
#else
  return hn::IfThenElse(hn::Lt(x, low), low, x);
#endif
}

// The larger one, NaN if either is.
template <typename Vec>
HWY_INLINE Vec max_or_nan(Vec x, Vec y) {
  namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  return hn::IfThenElse(hn::Eq(x, x), hn::Max(x, y), x);
#else
  return hn::IfThenElse(hn::Or(hn::Lt(x, y), hn::Ne(y, y)), y, x);
#endif
}

// The smaller one, NaN if either is.
template <typename Vec>
HWY_INLINE Vec min_or_nan(Vec x, Vec y) {
  namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  return hn::IfThenElse(hn::Eq(x, x), hn::Min(x, y), x);
#else
  return hn::IfThenElse(hn::Or(hn::Lt(y, x), hn::Ne(y, y)), y, x);
#endif
}

// The first `count` elements (at most a vector), the others of `rest`; no other memory is touched.
HWY_INLINE hwy::HWY_NAMESPACE::Vec<hwy::HWY_NAMESPACE::ScalableTag<float>> load_first(
    const float* from, int64_t count,
    hwy::HWY_NAMESPACE::Vec<hwy::HWY_NAMESPACE::ScalableTag<float>> rest =
        hwy::HWY_NAMESPACE::Zero(hwy::HWY_NAMESPACE::ScalableTag<float>())) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::ScalableTag<float> d;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  const auto given = hn::FirstN(d, static_cast<size_t>(count));
  return hn::IfThenElse(given, hn::MaskedLoad(given, d, from), rest);
#else
  alignas(64) float lanes[HWY_LANES(float)];
  hn::Store(rest, d, lanes);
  for (int64_t i = 0; i < count; ++i) lanes[i] = from[i];
  return hn::Load(d, lanes);
#endif
}

HWY_INLINE void store_first(hwy::HWY_NAMESPACE::Vec<hwy::HWY_NAMESPACE::ScalableTag<float>> v,
                            float* to, int64_t count) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::ScalableTag<float> d;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  hn::BlendedStore(v, hn::FirstN(d, static_cast<size_t>(count)), d, to);
#else
  alignas(64) float lanes[HWY_LANES(float)];
  hn::Store(v, d, lanes);
  for (int64_t i = 0; i < count; ++i) to[i] = lanes[i];
#endif
}

}  // namespace taoism::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
