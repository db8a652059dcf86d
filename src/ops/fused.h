// The attributes by which a fused activation rides on Conv, Linear, Add, ...: "activation" (a name
// below), "activation_a", "activation_b". Written by partition/fuse, read by the operators.
// Trusted.
#pragma once

#include "ir/attrs.h"
#include "kernels/epilogue.h"
#include "ops/op.h"

namespace taoism::ops {

// Attribute specs that an operator with a fused activation lists after its own.
#define TAOISM_FUSED_ACTIVATION_ATTRS                                                             \
  {"activation", ::taoism::ops::AttrSpec::text}, {"activation_a", ::taoism::ops::AttrSpec::real}, \
  {                                                                                               \
    "activation_b", ::taoism::ops::AttrSpec::real                                                 \
  }

// The fused activation, kind none when there is none. Errors: unsupported for an unknown name.
Result<kernels::Activation> fused_activation(const ir::Attrs& attrs);
// Writes it; the inverse of fused_activation.
void set_fused_activation(ir::Attrs& attrs, const kernels::Activation& activation);

// The activation that a node of this op computes (Relu, Clip, Sigmoid, Gelu, ...), so that it can
// be fused; nothing for any other op.
std::optional<kernels::Activation> activation_of(std::string_view op, const ir::Attrs& attrs);
// Applies the activation to one float64 value: the reference kernels' helper.
double activate(double value, const kernels::Activation& activation);

}  // namespace taoism::ops
