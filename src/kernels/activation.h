// How kernels apply a fused activation: as bounds where it is a clamp, else as a pass over what was
// just written. Internal.
#pragma once

#include <cstdint>
#include <limits>

#include "kernels/epilogue.h"

namespace taoism::kernels {

struct Bounds {
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
};

// Whether limiting to bounds_of() is the whole activation.
inline bool is_clamp(const Activation& a) {
  return a.kind == ActivationKind::none || a.kind == ActivationKind::relu ||
         a.kind == ActivationKind::clip;
}

inline Bounds bounds_of(const Activation& a) {
  if (a.kind == ActivationKind::relu) return {0.0f, Bounds{}.high};
  if (a.kind == ActivationKind::clip) return {a.a, a.b};
  return {};
}

// y[i] = activation(x[i]) on the calling thread; in place allowed.
void activate_span(const float* x, float* y, int64_t count, const Activation& activation);

}  // namespace taoism::kernels
