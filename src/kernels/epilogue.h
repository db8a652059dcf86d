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
  erf,        // the error function
  gelu,       // x * (1 + erf(x / sqrt 2)) / 2
  gelu_tanh,  // x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2
  swish,      // x / (1 + exp(-a * x))
  elu,        // b * (x < 0 ? a * (exp(x) - 1) : x)
  celu,       // x < 0 ? a * (exp(x / a) - 1) : x
  mish,       // x * tanh(log(1 + exp(x)))
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
