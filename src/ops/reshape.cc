// Reshape (and what import turns into it: Flatten, Squeeze, Unsqueeze): the same elements under the
// shape in the attribute, which has no -1 or 0 left.
#include <cstring>

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
  if (!shape.is_bounded() || shape.elements() != node.shape(0).elements()) {
    return invalid_argument("shape must have the input's " +
                            std::to_string(node.shape(0).elements()) + " elements, got " +
                            list_text(dims));
  }
  outputs[0] = {node.inputs[0].desc.dtype, shape};
  return {};
}

Outcome run(const RunContext& context) {
  if (context.inputs[0] == context.outputs[0]) return {};
  std::memcpy(context.outputs[0], context.inputs[0], context.node.outputs[0].bytes());
  return {};
}

// The elements stay where they are: so do the rows, which some dimension still has to count.
const char* rows(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  const ir::Shape &x = node.shape(0), &y = node.outputs[0].shape;
  const auto axis = static_cast<size_t>(in[0].axis);
  const int64_t before = x.product(0, axis) * in[0].outer;
  const int64_t rows = x[axis] / in[0].per_row();
  const int wanted = out.axis;
  out = {};
  int64_t product = 1;
  for (size_t i = 0; i < y.rank() && before % product == 0; product *= y[i++]) {
    const int64_t outer = before / product;
    if (y[i] % (outer * rows) != 0 || (wanted >= 0 && wanted != static_cast<int>(i))) continue;
    const RowAxis here{static_cast<int>(i), outer, y[i] / (outer * rows)};
    // One row may be counted by any dimension of 1: best by one that is like the input's.
    if (!out.any() || here.per_row() == in[0].per_row()) out = here;
    if (out.per_row() == in[0].per_row()) break;
  }
  return out.any() ? nullptr : "its shape takes them apart";
}

}  // namespace

extern const OpDef kReshapeOp;
constinit const OpDef kReshapeOp = {
    .name = "Reshape",
    .role = Role::layout,
    .form = Form::moves,
    .attrs = kAttrs,
    .types = Types::any,
    .storage = Storage::alias,
    .infer = infer,
    .run = run,
    .rows = rows,
};

}  // namespace taoism::ops
