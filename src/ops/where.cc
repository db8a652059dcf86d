// Where: of two tensors of one type, the element that a bool chooses; all three broadcast.
#include "ops/core/broadcast.h"

namespace taoism::ops {
namespace {

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  const ir::DType condition = node.inputs[0].desc.dtype, type = node.inputs[1].desc.dtype;
  const bool known = type == ir::DType::f32 || type == ir::DType::i64 || type == ir::DType::boolean;
  if (condition != ir::DType::boolean || !known || node.inputs[2].desc.dtype != type) {
    return unsupported(std::string("needs a bool and two tensors of one type, got ") +
                       dtype_name(condition) + ", " + dtype_name(type) + " and " +
                       dtype_name(node.inputs[2].desc.dtype));
  }
  TAOISM_ASSIGN_OR_RETURN(const ir::Shape shape, broadcast_inputs(node));
  outputs[0] = {type, shape};
  return {};
}

Outcome run(const RunContext& context) {
  with_element(context.node.outputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    map_broadcast<T, Bool, T, T>(context, [](Bool c, T a, T b) { return c != 0 ? a : b; });
  });
  return {};
}

}  // namespace

extern const OpDef kWhereOp;
constinit const OpDef kWhereOp = {
    .name = "Where",
    .role = Role::combine,
    .form = Form::moves,
    .min_inputs = 3,
    .max_inputs = 3,
    .types = Types::own,
    .place_inputs = 1 << 0,
    .takes_empty = true,
    .infer = infer,
    .run = run,
    .rows = rows_broadcast,
    .split_rows = split_rows_alike,
};

}  // namespace taoism::ops
