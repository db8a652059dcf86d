// Reshape (and what import turns into it: Flatten, Squeeze, Unsqueeze): the same elements under the
// shape in the attribute, which has no -1 or 0 left.
#include <cstring>

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
  if (!shape.is_bounded() || shape.elements() != node.shape(0).elements()) {
    return invalid_argument("shape must have the input's " +
                            std::to_string(node.shape(0).elements()) + " elements, got " +
                            list_text(dims));
  }
  outputs[0] = {node.inputs[0].desc.dtype, shape};
  return {};
}

void run(const RunContext& context) {
  if (context.inputs[0] == context.outputs[0]) return;
  std::memcpy(context.outputs[0], context.inputs[0], context.node.outputs[0].bytes());
}

}  // namespace

extern const OpDef kReshapeOp;
constinit const OpDef kReshapeOp = {
    .name = "Reshape",
    .role = Role::layout,
    .attrs = kAttrs,
    .types = Types::any,
    .storage = Storage::alias,
    .infer = infer,
    .run = run,
    .splits_batch = splits_batch_of_first,
};

}  // namespace taoism::ops
