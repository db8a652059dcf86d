// Concat: joins tensors along one axis.
#include "ops/core/block_copy.h"
#include "ops/core/rules.h"
#include "ops/core/split.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAttrs[] = {{"axis", AttrSpec::integer, true}};

size_t axis_of(const NodeView& node) {
  return *normalize_axis(node.attrs.i("axis"), node.shape(0).rank());
}

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  ir::Shape shape = node.shape(0);
  TAOISM_ASSIGN_OR_RETURN(const size_t axis, normalize_axis(node.attrs.i("axis"), shape.rank()));
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    if (!node.has(i)) return invalid_argument("input " + std::to_string(i) + " is missing");
    const ir::Shape& other = node.shape(i);
    ir::Shape expected = shape;
    if (other.rank() == shape.rank()) expected[axis] = other[axis];
    if (!(other == expected)) {
      return invalid_argument("input " + std::to_string(i) + " of shape " + other.text() +
                              " does not join " + shape.text() + " along axis " +
                              std::to_string(axis));
    }
    shape[axis] += other[axis];  // 255 inputs of at most 2^40: no overflow
  }
  outputs[0] = {node.inputs[0].desc.dtype, shape};
  return {};
}

Outcome run(const RunContext& context) {
  const size_t axis = axis_of(context.node);
  const Index to_strides = strides_of(context.node.outputs[0].shape);
  int64_t to = 0;
  for (size_t i = 0; i < context.inputs.size(); ++i) {
    const ir::Shape& shape = context.node.shape(i);
    copy_block(context, shape, 0, strides_of(shape), to, to_strides, i);
    to += shape[axis] * to_strides[axis];
  }
  return {};
}

Outcome reference(const RunContext& context) {
  const size_t axis = axis_of(context.node);
  const ir::Shape& out = context.node.outputs[0].shape;
  for_each_index(out, [&](const Index& index, int64_t position) {
    Index from = index;
    size_t input = 0;
    while (from[axis] >= context.node.shape(input)[axis]) {
      from[axis] -= context.node.shape(input++)[axis];
    }
    const Index strides = strides_of(context.node.shape(input));
    copy_element(context, input, offset_of(from, strides, out.rank()), position);
  });
  return {};
}

const char* rows(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  for (const RowAxis& rows : in) {
    if (!(rows == in[0])) return kMixesInputs;
  }
  return rows_beside(axis_of(node), in.first(1), out);
}

bool split_rows(const NodeView& node, Rows out, std::span<Rows> in, ir::Attrs& attrs) {
  return axis_of(node) == 1 && split_rows_alike(node, out, in, attrs);
}

}  // namespace

extern const OpDef kConcatOp;
constinit const OpDef kConcatOp = {
    .name = "Concat",
    .role = Role::combine,
    .form = Form::moves,
    .attrs = kAttrs,
    .min_inputs = 1,
    .max_inputs = 255,
    .types = Types::any,
    .infer = infer,
    .run = run,
    .rows = rows,
    .split_rows = split_rows,
    .reference = reference,
};

}  // namespace taoism::ops
