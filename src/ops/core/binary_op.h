// The rules that Add, Sub, Mul and Div share, and the kernels of others of two inputs. Trusted.
#pragma once

#include "kernels/elementwise.h"
#include "ops/core/index.h"
#include "ops/core/split.h"
#include "ops/fused.h"

namespace taoism::ops {

inline Status infer_binary(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(fused_activation(node.attrs).status());
  if (node.attrs.has("activation") && node.inputs[0].desc.dtype != ir::DType::f32) {
    return unsupported("an activation of integers");
  }
  TAOISM_ASSIGN_OR_RETURN(const ir::Shape shape, broadcast_shape(node.shape(0), node.shape(1)));
  outputs[0] = {node.inputs[0].desc.dtype, shape};
  return {};
}

Outcome run_binary(kernels::BinaryOp op, const RunContext& context);
// float32 in float64; int64 has no faster kernel than its plain definition.
Outcome reference_binary(kernels::BinaryOp kind, double (*op)(double, double),
                         const RunContext& context);
// OpDef::sure_fault of a node that divides by input 1.
Outcome sure_division_fault(const NodeView& node);

constexpr OpDef binary_op(const char* name, Form form, std::span<const AttrSpec> attrs,
                          Outcome (*run)(const RunContext&),
                          Outcome (*reference)(const RunContext&)) {
  return {.name = name,
          .role = Role::combine,
          .form = form,
          .attrs = attrs,
          .min_inputs = 2,
          .max_inputs = 2,
          .types = Types::number,
          .takes_empty = true,
          .storage = Storage::in_place,
          .tolerance = {.relative = 2e-6F, .absolute = 1e-6F},
          .infer = infer_binary,
          .run = run,
          .rows = rows_broadcast,
          .split_rows = split_rows_alike,
          .reference = reference};
}

}  // namespace taoism::ops
