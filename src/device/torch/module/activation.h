// Activations, as nodes of their own and fused behind another operator.
// Thread-safety: pure functions.
#pragma once

#include "device/torch/module/lowering.h"
#include "ops/fused.h"

namespace taoism::torch_module {

// The fused activation of a node; kind none when there is none.
kernels::Activation fused_of(const NodeContext& node);
// A new tensor.
at::Tensor activate(const at::Tensor& x, const kernels::Activation& activation);
// Writes to `x`, which must be the caller's own; gives it back.
at::Tensor activate_own(at::Tensor x, const kernels::Activation& activation);

}  // namespace taoism::torch_module
