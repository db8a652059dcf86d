// Gather, GatherElements, GatherND: elements or slices by int64 indices; a negative one counts from
// the end. Indices may be the model's input: one that is out of range is a fault.
#include <cstring>

#include "ops/core/broadcast.h"
#include "ops/core/indices.h"
#include "ops/core/rules.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAxis[] = {{"axis", AttrSpec::integer}};
constexpr AttrSpec kBatchDims[] = {{"batch_dims", AttrSpec::integer}};
constexpr size_t kX = 0, kIndices = 1;

Status check_types(const NodeView& node) {
  const ir::DType x = node.inputs[kX].desc.dtype, indices = node.inputs[kIndices].desc.dtype;
  const bool known = x == ir::DType::f32 || x == ir::DType::i64 || x == ir::DType::boolean;
  if (!known) return unsupported(std::string("x must not be ") + dtype_name(x));
  if (indices == ir::DType::i64) return {};
  return unsupported(std::string("indices must be int64, got ") + dtype_name(indices));
}

Result<size_t> axis_of(const NodeView& node) {
  return normalize_axis(node.attrs.i("axis", 0), node.shape(kX).rank());
}

// Copies `count` slices of `bytes` each: slice i from source(i) slices into x.
template <typename Source>
void copy_slices(const RunContext& context, int64_t count, size_t bytes, Source&& source) {
  const auto piece =
      std::max<int64_t>(1, kTaskElems * 4 / static_cast<int64_t>(std::max<size_t>(bytes, 1)));
  for_pieces(context.parallel, count, piece, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::byte* to = context.outputs[0] + static_cast<size_t>(i) * bytes;
      std::memcpy(to, context.inputs[kX] + static_cast<size_t>(source(i)) * bytes, bytes);
    }
  });
}

Status infer_gather(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(check_types(node));
  TAOISM_ASSIGN_OR_RETURN(const size_t axis, axis_of(node));
  const ir::Shape &x = node.shape(kX), &indices = node.shape(kIndices);
  if (x.rank() - 1 + indices.rank() > ir::kMaxRank) {
    return unsupported("the output has more than " + std::to_string(ir::kMaxRank) + " dimensions");
  }
  ir::Shape shape;
  for (size_t i = 0; i < axis; ++i) shape.push_back(x[i]);
  for (const int64_t dim : indices) shape.push_back(dim);
  for (size_t i = axis + 1; i < x.rank(); ++i) shape.push_back(x[i]);
  outputs[0] = {node.inputs[kX].desc.dtype, shape};
  return {};
}

Outcome run_gather(const RunContext& context) {
  const ir::Shape& x = context.node.shape(kX);
  const size_t axis = *axis_of(context.node);
  const int64_t outer = x.product(0, axis), dim = x[axis];
  const int64_t count = context.node.shape(kIndices).elements();
  const size_t bytes = static_cast<size_t>(x.product(axis + 1, x.rank())) *
                       ir::dtype_bytes(context.node.outputs[0].dtype);
  const auto* indices = context.in<int64_t>(kIndices);
  if (Outcome fault = axis_fault(context.node, indices, context.parallel); !fault.ok())
    return fault;
  copy_slices(context, outer * count, bytes,
              [&](int64_t i) { return i / count * dim + from_front(indices[i % count], dim); });
  return {};
}

constexpr const char* kPicks = "it picks among them";

// Parts of one table by the indices of each row, or parts of each row by the same indices.
const char* rows_of_gather(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  const auto axis = static_cast<int>(*axis_of(node));
  if (in[kX].any() && in[kIndices].any()) return kMixesInputs;
  if (in[kX].axis == axis) return kPicks;
  out = in[in[kX].any() ? kX : kIndices];
  if (in[kIndices].any()) out.axis += axis;
  if (in[kX].axis > axis) out.axis += static_cast<int>(node.shape(kIndices).rank()) - 1;
  return nullptr;
}

Status infer_elements(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(check_types(node));
  TAOISM_ASSIGN_OR_RETURN(const size_t axis, axis_of(node));
  const ir::Shape &x = node.shape(kX), &indices = node.shape(kIndices);
  bool fits = x.rank() == indices.rank();
  for (size_t i = 0; fits && i < x.rank(); ++i) fits = i == axis || indices[i] <= x[i];
  if (!fits) {
    return invalid_argument("indices of shape " + indices.text() + " for an x of " + x.text());
  }
  outputs[0] = {node.inputs[kX].desc.dtype, indices};
  return {};
}

Outcome run_elements(const RunContext& context) {
  const ir::Shape &x = context.node.shape(kX), &out = context.node.shape(kIndices);
  const size_t axis = *axis_of(context.node);
  const Index strides = strides_of(x);
  const auto* indices = context.in<int64_t>(kIndices);
  if (Outcome fault = axis_fault(context.node, indices, context.parallel); !fault.ok())
    return fault;
  copy_slices(context, out.elements(), ir::dtype_bytes(context.node.outputs[0].dtype),
              [&](int64_t i) {
                int64_t from = from_front(indices[i], x[axis]) * strides[axis];
                for (size_t d = out.rank(); d-- > 0; i /= out[d]) {
                  if (d != axis) from += i % out[d] * strides[d];
                }
                return from;
              });
  return {};
}

// Each row by its own indices.
const char* rows_of_elements(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  if (!(in[kX] == in[kIndices])) return kMixesInputs;
  out = in[kX];
  return out.axis == static_cast<int>(*axis_of(node)) ? kPicks : nullptr;
}

Result<size_t> batch_dims_of(const NodeView& node) {
  const ir::Shape &x = node.shape(kX), &indices = node.shape(kIndices);
  const int64_t given = node.attrs.i("batch_dims", 0);
  bool fits = given >= 0 && given < static_cast<int64_t>(std::min(x.rank(), indices.rank()));
  for (int64_t i = 0; fits && i < given; ++i) {
    fits = x[static_cast<size_t>(i)] == indices[static_cast<size_t>(i)];
  }
  const int64_t depth = indices.rank() == 0 ? 0 : indices[indices.rank() - 1];
  if (!fits || depth < 1 || depth > static_cast<int64_t>(x.rank()) - given) {
    return invalid_argument("indices of shape " + indices.text() + " for an x of " + x.text() +
                            " and batch_dims " + std::to_string(given));
  }
  return static_cast<size_t>(given);
}

Status infer_nd(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(check_types(node));
  TAOISM_ASSIGN_OR_RETURN(const size_t batch, batch_dims_of(node));
  const ir::Shape &x = node.shape(kX), &indices = node.shape(kIndices);
  const size_t first = batch + static_cast<size_t>(indices[indices.rank() - 1]);
  if (indices.rank() - 1 + x.rank() - first > ir::kMaxRank) {
    return unsupported("the output has more than " + std::to_string(ir::kMaxRank) + " dimensions");
  }
  ir::Shape shape;
  for (size_t i = 0; i + 1 < indices.rank(); ++i) shape.push_back(indices[i]);
  for (size_t i = first; i < x.rank(); ++i) shape.push_back(x[i]);
  outputs[0] = {node.inputs[kX].desc.dtype, shape};
  return {};
}

Outcome nd_fault(const NodeView& node, const int64_t* indices, Parallel& parallel) {
  const ir::Shape& shape = node.shape(kIndices);
  return indices_fault({indices, static_cast<size_t>(shape.elements())},
                       node.shape(kX).dims().subspan(*batch_dims_of(node),
                                                     static_cast<size_t>(shape[shape.rank() - 1])),
                       parallel);
}

Outcome run_nd(const RunContext& context) {
  const ir::Shape &x = context.node.shape(kX), &shape = context.node.shape(kIndices);
  const size_t batch = *batch_dims_of(context.node);
  const int64_t depth = shape[shape.rank() - 1];
  const size_t first = batch + static_cast<size_t>(depth);
  const int64_t count = shape.product(0, shape.rank() - 1);
  const int64_t per_batch = shape.product(batch, shape.rank() - 1);
  const size_t bytes = static_cast<size_t>(x.product(first, x.rank())) *
                       ir::dtype_bytes(context.node.outputs[0].dtype);
  const auto* indices = context.in<int64_t>(kIndices);
  if (Outcome fault = nd_fault(context.node, indices, context.parallel); !fault.ok()) return fault;
  copy_slices(context, count, bytes, [&](int64_t i) {
    int64_t from = i / per_batch;
    for (int64_t d = 0; d < depth; ++d) {
      const int64_t dim = x[batch + static_cast<size_t>(d)];
      from = from * dim + from_front(indices[i * depth + d], dim);
    }
    return from;
  });
  return {};
}

// One table by the indices of each row, or each row by its own where batch_dims count them.
const char* rows_of_nd(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  const auto batch = static_cast<int>(*batch_dims_of(node));
  out = in[kIndices];
  if (!out.any()) return kPicks;
  if (out.axis + 1 == static_cast<int>(node.shape(kIndices).rank())) return kMixesAcross;
  if (in[kX].any()) return in[kX] == out && out.axis < batch ? nullptr : kPicks;
  return out.axis < batch ? kMixesInputs : nullptr;
}

constexpr OpDef gather_op(const char* name, std::span<const AttrSpec> attrs,
                          Status (*infer)(const NodeView&, std::span<ir::TensorDesc>),
                          Outcome (*run)(const RunContext&),
                          const char* (*rows)(const NodeView&, std::span<const RowAxis>, RowAxis&),
                          Outcome (*sure_fault)(const NodeView&)) {
  return {.name = name,
          .role = Role::layout,
          .form = Form::moves,
          .attrs = attrs,
          .min_inputs = 2,
          .max_inputs = 2,
          .types = Types::own,
          .place_inputs = 1 << 1,
          .infer = infer,
          .run = run,
          .sure_fault = sure_fault,
          .rows = rows};
}

}  // namespace

TAOISM_OP(Gather) = gather_op("Gather", kAxis, infer_gather, run_gather, rows_of_gather,
                              sure_index_fault<axis_fault>);
TAOISM_OP(GatherElements) = gather_op("GatherElements", kAxis, infer_elements, run_elements,
                                      rows_of_elements, sure_index_fault<axis_fault>);
TAOISM_OP(GatherND) = gather_op("GatherND", kBatchDims, infer_nd, run_nd, rows_of_nd,
                                sure_index_fault<nd_fault>);

}  // namespace taoism::ops
