// Expand: repeats dimensions of 1, and adds some in front, to give the shape in the attribute.
#include "ops/core/block_copy.h"
#include "ops/core/rows.h"
#include "ops/core/rules.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAttrs[] = {{"shape", AttrSpec::integers, true}};

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  const auto dims = node.attrs.ints("shape");
  if (dims.size() > ir::kMaxRank) {
    return unsupported("shape must have at most " + std::to_string(ir::kMaxRank) +
                       " dimensions, got " + list_text(dims));
  }
  const ir::Shape shape(dims);
  if (!shape.is_bounded()) return invalid_argument("shape is out of bounds: " + list_text(dims));
  TAOISM_ASSIGN_OR_RETURN(const ir::Shape both, broadcast_shape(node.shape(0), shape));
  if (!(both == shape)) {
    return invalid_argument(node.shape(0).text() + " does not expand to " + list_text(dims));
  }
  outputs[0] = {node.inputs[0].desc.dtype, shape};
  return {};
}

Outcome run(const RunContext& context) {
  const ir::Shape& out = context.node.outputs[0].shape;
  copy_block(context, out, 0, broadcast_strides(context.node.shape(0), out), 0, strides_of(out));
  return {};
}

const char* rows(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  if (const char* mixes = rows_broadcast(node, in, out); mixes != nullptr) return mixes;
  const auto from = static_cast<size_t>(in[0].axis), to = static_cast<size_t>(out.axis);
  return node.outputs[0].shape[to] == node.shape(0)[from] ? nullptr : "it repeats them";
}

}  // namespace

extern const OpDef kExpandOp;
constinit const OpDef kExpandOp = {
    .name = "Expand",
    .role = Role::layout,
    .form = Form::moves,
    .attrs = kAttrs,
    .types = Types::any,
    .infer = infer,
    .run = run,
    .rows = rows,
};

}  // namespace taoism::ops
