// The rules that all activations share: an activation's file holds its name and its attributes.
// Trusted.
#pragma once

#include "kernels/elementwise.h"
#include "ops/core/split.h"
#include "ops/fused.h"

namespace taoism::ops {

// Output like the first input.
inline Status infer_same(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  outputs[0] = node.inputs[0].desc;
  return {};
}

constexpr OpDef activation_op(const char* name, std::span<const AttrSpec> attrs,
                              Outcome (*run)(const RunContext&),
                              Outcome (*reference)(const RunContext&)) {
  return {.name = name,
          .role = Role::nonlinear,
          .form = Form::reveals,
          .attrs = attrs,
          .storage = Storage::in_place,
          .tolerance = {.relative = 2e-6F, .absolute = 1e-6F},
          .infer = infer_same,
          .run = run,
          .rows = rows_alike,
          .split_rows = split_rows_alike,
          .reference = reference};
}

// The activation of the node, whose operator is named by the template's owner.
inline Outcome run_activation(const char* op, const RunContext& context) {
  kernels::activate(context.f32(0), context.out_f32(), context.node.shape(0).elements(),
                    *activation_of(op, context.node.attrs), context.parallel);
  return {};
}

inline Outcome reference_activation(const char* op, const RunContext& context) {
  const kernels::Activation activation = *activation_of(op, context.node.attrs);
  const int64_t elements = context.node.shape(0).elements();
  for (int64_t i = 0; i < elements; ++i) {
    context.out_f32()[i] = static_cast<float>(activate(context.f32(0)[i], activation));
  }
  return {};
}

}  // namespace taoism::ops
