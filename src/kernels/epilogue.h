// What a linear kernel does to a sum before it stores it, so that no activation is read twice.
// Trusted. Thread-safety: plain values.
#pragma once

#include <cstdint>

namespace taoism::kernels {

enum class ActivationKind : uint8_t {
  none,
  relu,          // max(x, 0)
  leaky_relu,    // x < 0 ? a * x : x
  clip,          // x limited to [a, b]
  sigmoid,       // 1 / (1 + exp(-x))
  hard_sigmoid,  // a * x + b limited to [0, 1]
  hard_swish,    // x * (x / 6 + 1/2 limited to [0, 1])
  tanh,
};

struct Activation {
  ActivationKind kind = ActivationKind::none;
  float a = 0;
  float b = 0;
};

// out = activation(sum + bias + residual). NaN goes through every activation unchanged.
struct Epilogue {
  const float* bias = nullptr;  // one per output channel or feature, or none
  const float* residual =
      nullptr;  // same shape and layout as the output, or none; may be the output
  Activation activation;
};

}  // namespace taoism::kernels
