// Pad: grows (or, with negative pads and a constant, crops) each dimension.
#include <algorithm>

#include "ops/core/block_copy.h"
#include "ops/core/element.h"
#include "ops/core/rows.h"
#include "ops/core/rules.h"

namespace taoism::ops {
namespace {

// Of integers and bool the constant is `integer`.
constexpr AttrSpec kAttrs[] = {{"pads", AttrSpec::integers, true},
                               {"value", AttrSpec::real},
                               {"integer", AttrSpec::integer},
                               {"mode", AttrSpec::text}};

enum class Mode : uint8_t { constant, reflect, edge, wrap };

Result<Mode> mode_of(const ir::Attrs& attrs) {
  const std::string_view mode = attrs.s("mode", "constant");
  if (mode == "constant") return Mode::constant;
  if (mode == "reflect") return Mode::reflect;
  if (mode == "edge") return Mode::edge;
  if (mode == "wrap") return Mode::wrap;
  return unsupported("mode must be constant, reflect, edge or wrap, got " + std::string(mode));
}

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  const ir::Shape& x = node.shape(0);
  const auto pads = node.attrs.ints("pads");
  TAOISM_ASSIGN_OR_RETURN(const Mode mode, mode_of(node.attrs));
  if (pads.size() != 2 * x.rank()) {
    return invalid_argument("pads must have " + std::to_string(2 * x.rank()) + " elements, got " +
                            list_text(pads));
  }
  ir::Shape shape = x;
  for (size_t i = 0; i < x.rank(); ++i) {
    for (const int64_t pad : {pads[i], pads[x.rank() + i]}) {
      const int64_t lowest = mode == Mode::constant ? -kMaxExtent : 0;
      const int64_t highest = mode == Mode::reflect ? std::min(kMaxExtent, x[i] - 1) : kMaxExtent;
      if (pad < lowest || pad > highest) {
        return invalid_argument("pads of axis " + std::to_string(i) + " must be in [" +
                                std::to_string(lowest) + ", " + std::to_string(highest) +
                                "], got " + std::to_string(pad));
      }
      shape[i] += pad;
    }
    // Crops may not overlap: what is left must be inside the input from both ends.
    if (shape[i] < 1 || x[i] + std::min<int64_t>(0, pads[i]) < 1 ||
        x[i] + std::min<int64_t>(0, pads[x.rank() + i]) < 1) {
      return invalid_argument("pads " + list_text(pads) + " leave nothing of " + x.text());
    }
  }
  outputs[0] = {node.inputs[0].desc.dtype, shape};
  return {};
}

// The input index that output index `o` of a dimension shows, or -1 for the constant.
int64_t source(int64_t o, int64_t pad, int64_t dim, Mode mode) {
  const int64_t i = o - pad;
  if (i >= 0 && i < dim) return i;
  switch (mode) {
    case Mode::constant: return -1;
    case Mode::edge: return i < 0 ? 0 : dim - 1;
    case Mode::wrap: return (i % dim + dim) % dim;
    case Mode::reflect: return i < 0 ? -i : 2 * (dim - 1) - i;
  }
  return -1;
}

// Sets `count` elements of the output to the constant.
void fill(const RunContext& context, int64_t begin, int64_t count) {
  const int64_t integer = context.node.attrs.i("integer");
  with_element(context.node.outputs[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    T element = static_cast<T>(integer);
    if constexpr (std::is_same_v<T, float>) element = context.node.attrs.f("value");
    if constexpr (std::is_same_v<T, Bool>) element = integer != 0;
    std::fill_n(context.out<T>() + begin, count, element);
  });
}

Outcome reference(const RunContext& context) {
  const ir::Shape& x = context.node.shape(0);
  const ir::Shape& out = context.node.outputs[0].shape;
  const auto pads = context.node.attrs.ints("pads");
  const Mode mode = *mode_of(context.node.attrs);
  const Index strides = strides_of(x);
  for_each_index(out, [&](const Index& index, int64_t position) {
    int64_t from = 0;
    for (size_t i = 0; i < x.rank(); ++i) {
      const int64_t at = source(index[i], pads[i], x[i], mode);
      from = at < 0 || from < 0 ? -1 : from + at * strides[i];
    }
    if (from < 0) {
      fill(context, position, 1);
    } else {
      copy_element(context, 0, from, position);
    }
  });
  return {};
}

Outcome run(const RunContext& context) {
  if (*mode_of(context.node.attrs) != Mode::constant) return reference(context);
  const ir::Shape& x = context.node.shape(0);
  const ir::Shape& out = context.node.outputs[0].shape;
  const auto pads = context.node.attrs.ints("pads");
  const Index from_strides = strides_of(x), to_strides = strides_of(out);
  fill(context, 0, out.elements());
  ir::Shape kept = x;
  Index from = {}, to = {};
  for (size_t i = 0; i < x.rank(); ++i) {
    const int64_t begin = pads[i], end = pads[x.rank() + i];
    from[i] = std::max<int64_t>(0, -begin);
    to[i] = std::max<int64_t>(0, begin);
    kept[i] = x[i] - from[i] - std::max<int64_t>(0, -end);
    if (kept[i] <= 0) return {};
  }
  copy_block(context, kept, offset_of(from, from_strides, x.rank()), from_strides,
             offset_of(to, to_strides, x.rank()), to_strides);
  return {};
}

const char* rows(const NodeView& node, std::span<const RowAxis> in, RowAxis& out) {
  const auto pads = node.attrs.ints("pads");
  const auto axis = static_cast<size_t>(in[0].axis);
  if (pads[axis] != 0 || pads[node.shape(0).rank() + axis] != 0) return "it pads them";
  return rows_alike(node, in, out);
}

}  // namespace

extern const OpDef kPadOp;
constinit const OpDef kPadOp = {
    .name = "Pad",
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
