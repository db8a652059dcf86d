// Cast between float32, int64 and bool, which all operators compute with, and from and to the types
// that a model's tensors may have besides. `to` is a type's name. Rounds to the nearest, ties to
// even; integers wrap; see core/convert.h for what does not fit.
#include <algorithm>

#include "ops/core/broadcast.h"
#include "ops/core/convert.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAttrs[] = {{"to", AttrSpec::text, true}};

bool is_computed(ir::DType dtype) {
  return dtype == ir::DType::f32 || dtype == ir::DType::i64 || dtype == ir::DType::boolean;
}

// Nobody computes with these when a model runs.
bool is_for_constants(ir::DType dtype) {
  return dtype == ir::DType::f64 || dtype == ir::DType::u64;
}

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  const ir::DType from = node.inputs[0].desc.dtype;
  const std::string_view name = node.attrs.s("to");
  for (const ir::DType to : ir::kDTypes) {
    if (name != dtype_name(to)) continue;
    if (is_for_constants(from) || is_for_constants(to) || (!is_computed(from) && !is_computed(to)))
      break;
    outputs[0] = {to, node.shape(0)};
    return {};
  }
  return unsupported(std::string("not from ") + dtype_name(from) + " to " + std::string(name));
}

template <typename From, typename To>
void convert_all(const RunContext& context) {
  const From* from = context.in<From>(0);
  To* to = context.out<To>();
  for_pieces(context.parallel, context.node.outputs[0].shape.elements(), kTaskElems,
             [&](int64_t begin, int64_t end) {
               for (int64_t i = begin; i < end; ++i) to[i] = convert<To>(from[i]);
             });
}

// Calls function(T()) for float32, int64 or bool.
template <typename Function>
void with_computed(ir::DType dtype, Function&& function) {
  if (dtype == ir::DType::f32) return function(float{});
  if (dtype == ir::DType::i64) return function(int64_t{});
  return function(Flag{});
}

template <typename Function>
void with_any(ir::DType dtype, Function&& function) {
  with_type(dtype, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (!std::is_same_v<T, double> && !std::is_same_v<T, uint64_t>) function(zero);
  });
}

Outcome run(const RunContext& context) {
  const ir::DType from = context.node.inputs[0].desc.dtype, to = context.node.outputs[0].dtype;
  if (is_computed(to)) {
    with_any(from, [&](auto f) {
      with_computed(to, [&](auto t) { convert_all<decltype(f), decltype(t)>(context); });
    });
    return {};
  }
  with_any(to, [&](auto t) {
    with_computed(from, [&](auto f) { convert_all<decltype(f), decltype(t)>(context); });
  });
  return {};
}

}  // namespace

extern const OpDef kCastOp;
constinit const OpDef kCastOp = {
    .name = "Cast",
    .role = Role::layout,
    .form = Form::moves,  // what is rounded off hides no more than asking again brings back
    .attrs = kAttrs,
    .types = Types::own,
    .takes_empty = true,
    .infer = infer,
    .run = run,
    .rows = rows_alike,
    .split_rows = split_rows_alike,
};

}  // namespace taoism::ops
