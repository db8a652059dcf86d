// Expand: repeats dimensions of 1, and adds some in front, to give the shape in the attribute.
#include "ops/core/block_copy.h"
#include "ops/core/rules.h"
#include "ops/core/split.h"

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

void run(const RunContext& context) {
  const ir::Shape& out = context.node.outputs[0].shape;
  copy_block(context, out, 0, broadcast_strides(context.node.shape(0), out), 0, strides_of(out));
}

bool splits_batch(const NodeView& node) {
  return node.shape(0).rank() == node.outputs[0].shape.rank() && share_batch(node, {0});
}

}  // namespace

extern const OpDef kExpandOp;
constinit const OpDef kExpandOp = {
    .name = "Expand",
    .role = Role::layout,
    .attrs = kAttrs,
    .types = Types::any,
    .infer = infer,
    .run = run,
    .splits_batch = splits_batch,
};

}  // namespace taoism::ops
