// Cast between float32, int64 and bool, and from and to int32, which no other operator reads: a
// model's int32 tensors are int64 inside. `to` is a type's name.
#include <cstring>

#include "ops/core/broadcast.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAttrs[] = {{"to", AttrSpec::text, true}};
constexpr ir::DType kTypes[] = {ir::DType::f32, ir::DType::i64, ir::DType::boolean, ir::DType::i32};

bool is_known(ir::DType dtype) {
  return std::find(std::begin(kTypes), std::end(kTypes), dtype) != std::end(kTypes);
}

Status infer(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  const ir::DType from = node.inputs[0].desc.dtype;
  if (!is_known(from)) return unsupported(std::string("cannot read ") + dtype_name(from));
  const std::string_view name = node.attrs.s("to");
  for (const ir::DType to : kTypes) {
    if (name != dtype_name(to)) continue;
    outputs[0] = {to, node.shape(0)};
    return {};
  }
  return unsupported("to must be float32, int64, int32 or bool");
}

template <typename To, typename From>
To convert(From x) {
  if constexpr (std::is_same_v<To, Bool>) return x != From{};
  if constexpr (std::is_same_v<From, Bool>) return static_cast<To>(x != 0);
  if constexpr (std::is_same_v<From, float> && !std::is_same_v<To, float>) {
    return static_cast<To>(to_integer(x));
  }
  return static_cast<To>(x);
}

template <typename Function>
void with_any(ir::DType dtype, Function&& function) {
  if (dtype == ir::DType::i32) return function(int32_t{});
  with_element(dtype, function);
}

Outcome run(const RunContext& context) {
  const ir::TensorDesc& out = context.node.outputs[0];
  with_any(context.node.inputs[0].desc.dtype, [&](auto from) {
    with_any(out.dtype, [&](auto to) {
      map_broadcast<decltype(to), decltype(from)>(
          context, [](auto x) { return convert<decltype(to), decltype(from)>(x); });
    });
  });
  return {};
}

}  // namespace

extern const OpDef kCastOp;
constinit const OpDef kCastOp = {
    .name = "Cast",
    .role = Role::layout,
    .attrs = kAttrs,
    .types = Types::own,
    .takes_empty = true,
    .infer = infer,
    .run = run,
    .rows = rows_alike,
    .split_rows = split_rows_alike,
};

}  // namespace taoism::ops
