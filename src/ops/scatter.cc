// ScatterElements and ScatterND: a copy of x in which elements or slices are replaced by, or
// combined with, those of `updates` at int64 indices, in the updates' order. An index that is out
// of range is a fault.
#include <cstring>

#include "ops/core/element.h"
#include "ops/core/index.h"
#include "ops/core/indices.h"
#include "ops/core/rows.h"
#include "ops/core/rules.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kElementsAttrs[] = {{"axis", AttrSpec::integer}, {"reduction", AttrSpec::text}};
constexpr AttrSpec kNdAttrs[] = {{"reduction", AttrSpec::text}};
constexpr size_t kX = 0, kIndices = 1, kUpdates = 2;

enum class Reduction : uint8_t { none, add, mul, max, min };

Result<Reduction> reduction_of(const NodeView& node) {
  constexpr const char* kNames[] = {"none", "add", "mul", "max", "min"};
  const std::string_view name = node.attrs.s("reduction", "none");
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (name == kNames[i]) return static_cast<Reduction>(i);
  }
  return unsupported("reduction must be none, add, mul, max or min, got " + std::string(name));
}

Status check_inputs(const NodeView& node) {
  const ir::DType x = node.inputs[kX].desc.dtype;
  const bool known = x == ir::DType::f32 || x == ir::DType::i64 || x == ir::DType::boolean;
  if (!known || node.inputs[kUpdates].desc.dtype != x ||
      node.inputs[kIndices].desc.dtype != ir::DType::i64) {
    return unsupported(std::string("needs x and updates of one type and int64 indices, got ") +
                       dtype_name(x) + ", " + dtype_name(node.inputs[kUpdates].desc.dtype) +
                       " and " + dtype_name(node.inputs[kIndices].desc.dtype));
  }
  TAOISM_ASSIGN_OR_RETURN(const Reduction reduction, reduction_of(node));
  if (x == ir::DType::boolean && reduction != Reduction::none) {
    return unsupported("reduction of bool must be none");
  }
  return {};
}

Status mismatch(const NodeView& node) {
  return invalid_argument("indices of shape " + node.shape(kIndices).text() + " and updates of " +
                          node.shape(kUpdates).text() + " for an x of " + node.shape(kX).text());
}

float combine(Reduction reduction, float a, float b) {
  switch (reduction) {
    case Reduction::add: return a + b;
    case Reduction::mul: return a * b;
    case Reduction::max: return a > b ? a : b;
    case Reduction::min: return a < b ? a : b;
    case Reduction::none: break;
  }
  return b;
}

int64_t combine(Reduction reduction, int64_t a, int64_t b) {
  const auto ua = static_cast<uint64_t>(a), ub = static_cast<uint64_t>(b);
  switch (reduction) {
    case Reduction::add: return wrap(ua + ub);
    case Reduction::mul: return wrap(ua * ub);
    case Reduction::max: return a > b ? a : b;
    case Reduction::min: return a < b ? a : b;
    case Reduction::none: break;
  }
  return b;
}

Bool combine(Reduction, Bool, Bool b) { return b; }

// Combines slice i of `length` elements of the updates with the one at target(i) slices into x.
template <typename Target>
void scatter(const RunContext& context, int64_t count, int64_t length, Target&& target) {
  if (context.outputs[0] != context.inputs[kX]) {
    std::memcpy(context.outputs[0], context.inputs[kX], context.node.outputs[0].bytes());
  }
  const Reduction reduction = *reduction_of(context.node);
  with_element(context.node.outputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < count; ++i) {
      T* to = context.out<T>() + target(i) * length;
      const T* from = context.in<T>(kUpdates) + i * length;
      for (int64_t e = 0; e < length; ++e) to[e] = combine(reduction, to[e], from[e]);
    }
  });
}

Status infer_elements(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(check_inputs(node));
  const ir::Shape &x = node.shape(kX), &indices = node.shape(kIndices);
  TAOISM_ASSIGN_OR_RETURN(const size_t axis, normalize_axis(node.attrs.i("axis", 0), x.rank()));
  bool fits = x.rank() == indices.rank() && node.shape(kUpdates) == indices;
  for (size_t i = 0; fits && i < x.rank(); ++i) fits = i == axis || indices[i] <= x[i];
  if (!fits) return mismatch(node);
  outputs[0] = node.inputs[kX].desc;
  return {};
}

Outcome run_elements(const RunContext& context) {
  const ir::Shape &x = context.node.shape(kX), &shape = context.node.shape(kIndices);
  const size_t axis = *normalize_axis(context.node.attrs.i("axis", 0), x.rank());
  const Index strides = strides_of(x);
  const auto* indices = context.in<int64_t>(kIndices);
  if (Outcome fault = axis_fault(context.node, indices, context.parallel); !fault.ok())
    return fault;
  scatter(context, shape.elements(), 1, [&](int64_t i) {
    int64_t to = from_front(indices[i], x[axis]) * strides[axis];
    for (size_t d = shape.rank(); d-- > 0; i /= shape[d]) {
      if (d != axis) to += i % shape[d] * strides[d];
    }
    return to;
  });
  return {};
}

// Each row by its own indices and updates.
const char* rows_of_elements(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  if (!(in[kX] == in[kIndices]) || !(in[kX] == in[kUpdates])) return kMixesInputs;
  out = in[kX];
  const size_t axis = *normalize_axis(node.attrs.i("axis", 0), node.shape(kX).rank());
  return out.axis == static_cast<int>(axis) ? "it writes among them" : nullptr;
}

// indices [..., depth], updates [..., what is left of x after depth dimensions].
Status infer_nd(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  TAOISM_RETURN_IF_ERROR(check_inputs(node));
  const ir::Shape &x = node.shape(kX), &indices = node.shape(kIndices);
  const int64_t depth = indices.rank() == 0 ? 0 : indices[indices.rank() - 1];
  if (depth < 1 || depth > static_cast<int64_t>(x.rank())) return mismatch(node);
  const size_t first = static_cast<size_t>(depth);
  ir::Shape updates(indices.dims().first(indices.rank() - 1));
  if (updates.rank() + x.rank() - first > ir::kMaxRank) return mismatch(node);
  for (size_t i = first; i < x.rank(); ++i) updates.push_back(x[i]);
  if (!(updates == node.shape(kUpdates))) return mismatch(node);
  outputs[0] = node.inputs[kX].desc;
  return {};
}

Outcome nd_fault(const NodeView& node, const int64_t* indices, Parallel& parallel) {
  const ir::Shape& shape = node.shape(kIndices);
  return indices_fault({indices, static_cast<size_t>(shape.elements())},
                       node.shape(kX).dims().first(static_cast<size_t>(shape[shape.rank() - 1])),
                       parallel);
}

Outcome run_nd(const RunContext& context) {
  const ir::Shape &x = context.node.shape(kX), &shape = context.node.shape(kIndices);
  const int64_t depth = shape[shape.rank() - 1];
  const auto* indices = context.in<int64_t>(kIndices);
  if (Outcome fault = nd_fault(context.node, indices, context.parallel); !fault.ok()) return fault;
  scatter(context, shape.product(0, shape.rank() - 1),
          x.product(static_cast<size_t>(depth), x.rank()), [&](int64_t i) {
            int64_t to = 0;
            for (int64_t d = 0; d < depth; ++d) {
              const int64_t dim = x[static_cast<size_t>(d)];
              to = to * dim + from_front(indices[i * depth + d], dim);
            }
            return to;
          });
  return {};
}

constexpr OpDef scatter_op(const char* name, std::span<const AttrSpec> attrs,
                           Status (*infer)(const NodeView&, std::span<ir::TensorDesc>),
                           Outcome (*run)(const RunContext&),
                           const char* (*rows)(const NodeView&, std::span<const RowAxis>, RowAxis&),
                           Outcome (*sure_fault)(const NodeView&)) {
  return {.name = name,
          .role = Role::combine,
          .attrs = attrs,
          .min_inputs = 3,
          .max_inputs = 3,
          .types = Types::own,
          .place_inputs = 1 << 1,
          .takes_empty = true,
          .storage = Storage::in_place,
          .infer = infer,
          .run = run,
          .sure_fault = sure_fault,
          .rows = rows};
}

}  // namespace

TAOISM_OP(ScatterElements) = scatter_op("ScatterElements", kElementsAttrs, infer_elements,
                                        run_elements, rows_of_elements,
                                        sure_index_fault<axis_fault>);
TAOISM_OP(ScatterND) = scatter_op("ScatterND", kNdAttrs, infer_nd, run_nd, nullptr,
                                  sure_index_fault<nd_fault>);

}  // namespace taoism::ops
