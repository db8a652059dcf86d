// Transpose: permutes dimensions; without `perm` it reverses them.
#include "ops/core/block_copy.h"
#include "ops/core/rows.h"
#include "ops/core/rules.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAttrs[] = {{"perm", AttrSpec::integers}};

Result<Index> permutation_of(const NodeView& node) {
  const size_t rank = node.shape(0).rank();
  Index perm = {};
  if (!node.attrs.has("perm")) {
    for (size_t i = 0; i < rank; ++i) perm[i] = static_cast<int64_t>(rank - 1 - i);
    return perm;
  }
  const auto given = node.attrs.ints("perm");
  bool seen[ir::kMaxRank] = {};
  bool valid = given.size() == rank;
  for (size_t i = 0; valid && i < rank; ++i) {
    valid = given[i] >= 0 && given[i] < static_cast<int64_t>(rank) && !seen[given[i]];
    if (!valid) break;
    seen[given[i]] = true;
    perm[i] = given[i];
  }
  if (!valid) {
    return invalid_argument("perm must be a permutation of " + std::to_string(rank) +
                            " axes, got " + list_text(given));
  }
  return perm;
}

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_ASSIGN_OR_RETURN(const Index perm, permutation_of(node));
  ir::Shape shape = node.shape(0);
  for (size_t i = 0; i < shape.rank(); ++i) {
    shape[i] = node.shape(0)[static_cast<size_t>(perm[i])];
  }
  outputs[0] = {node.inputs[0].desc.dtype, shape};
  return {};
}

// Strides of the input in the order of the output's dimensions.
Index permuted_strides(const NodeView& node) {
  const Index perm = *permutation_of(node);
  const Index own = strides_of(node.shape(0));
  Index strides = {};
  for (size_t i = 0; i < node.shape(0).rank(); ++i) {
    strides[i] = own[static_cast<size_t>(perm[i])];
  }
  return strides;
}

Outcome run(const RunContext& context) {
  const ir::Shape& out = context.node.outputs[0].shape;
  copy_block(context, out, 0, permuted_strides(context.node), 0, strides_of(out));
  return {};
}

Outcome reference(const RunContext& context) {
  const ir::Shape& out = context.node.outputs[0].shape;
  const Index strides = permuted_strides(context.node);
  for_each_index(out, [&](const Index& index, int64_t position) {
    copy_element(context, 0, offset_of(index, strides, out.rank()), position);
  });
  return {};
}

const char* rows(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  const Index perm = *permutation_of(node);
  out = in[0];
  for (size_t i = 0; i < node.shape(0).rank(); ++i) {
    if (perm[i] == in[0].axis) out.axis = static_cast<int>(i);
  }
  return nullptr;
}

}  // namespace

extern const OpDef kTransposeOp;
constinit const OpDef kTransposeOp = {
    .name = "Transpose",
    .role = Role::layout,
    .form = Form::moves,
    .attrs = kAttrs,
    .types = Types::any,
    .infer = infer,
    .run = run,
    .rows = rows,
    .reference = reference,
};

}  // namespace taoism::ops
