// A convolution with what is fused behind it. On the CPU the weights are packed once, for oneDNN;
// its own activations are not used, because its ReLU makes numbers of NaN. Activations are
// channels-last everywhere: the faster order on GPUs, and on the CPU too (bench/README.md).
// Thread-safety: as Kernel.
#pragma once

#include <ATen/core/ivalue.h>

#include "device/torch/module/activation.h"
#include "device/torch/module/window.h"

namespace taoism::torch_module {

// x [N, C, (H,) W], weight [O, C/groups, (KH,) KW] and bias ([O] or undefined) on the device.
class Convolution {
 public:
  Convolution(at::Tensor weight, at::Tensor bias, const Window& window, int64_t groups,
              const ir::Shape& x, const kernels::Activation& activation);

  // activation(x * weight + bias + residual); residual has the output's shape or is undefined.
  at::Tensor run(const at::Tensor& x, const at::Tensor& residual) const;

 private:
  void pack(const ir::Shape& x);

  at::Tensor weight_, bias_;
  Window window_;
  int64_t groups_;
  kernels::Activation activation_;
  bool is_1d_;
  std::vector<at::IValue> packed_call_;  // all but x; empty where nothing is packed
};

}  // namespace taoism::torch_module
