#include "ops/core/binary_op.h"

#include "ops/core/broadcast.h"
#include "ops/core/indices.h"

namespace taoism::ops {
namespace {

// Wraps. Nothing is divided by 0.
int64_t apply(kernels::BinaryOp op, int64_t a, int64_t b) {
  const auto ua = static_cast<uint64_t>(a), ub = static_cast<uint64_t>(b);
  switch (op) {
    case kernels::BinaryOp::add: return wrap(ua + ub);
    case kernels::BinaryOp::sub: return wrap(ua - ub);
    case kernels::BinaryOp::mul: return wrap(ua * ub);
    case kernels::BinaryOp::min: return std::min(a, b);
    case kernels::BinaryOp::max: return std::max(a, b);
    case kernels::BinaryOp::prelu: return a < 0 ? wrap(ua * ub) : a;
    case kernels::BinaryOp::div: break;
  }
  return b == -1 ? wrap(0 - ua) : a / b;
}

}  // namespace

Outcome run_binary(kernels::BinaryOp op, const RunContext& context) {
  if (context.node.inputs[0].desc.dtype == ir::DType::i64) {
    if (op == kernels::BinaryOp::div) {
      const Outcome fault = division_fault(context.node.inputs[1].desc, context.inputs[1]);
      if (!fault.ok()) return fault;
    }
    map_broadcast<int64_t, int64_t, int64_t>(
        context, [op](int64_t a, int64_t b) { return apply(op, a, b); });
    return {};
  }
  const ir::Shape& a = context.node.shape(0);
  const ir::Shape& b = context.node.shape(1);
  const ir::Shape& out = context.node.outputs[0].shape;
  const kernels::Activation activation = *fused_activation(context.node.attrs);
  if (a == b) {
    kernels::binary(op, context.f32(0), context.f32(1), context.out_f32(), out.elements(),
                    activation, context.parallel);
    return {};
  }
  const Index a_strides = broadcast_strides(a, out), b_strides = broadcast_strides(b, out);
  kernels::BroadcastShape shape;
  shape.rank = static_cast<int>(out.rank());
  for (size_t i = 0; i < out.rank(); ++i) {
    shape.dims[i] = out[i];
    shape.a_strides[i] = a_strides[i];
    shape.b_strides[i] = b_strides[i];
  }
  kernels::binary_broadcast(op, shape, context.f32(0), context.f32(1), context.out_f32(),
                            activation, context.parallel);
  return {};
}

Outcome reference_binary(kernels::BinaryOp kind, double (*op)(double, double),
                         const RunContext& context) {
  if (context.node.inputs[0].desc.dtype == ir::DType::i64) return run_binary(kind, context);
  const ir::Shape& out = context.node.outputs[0].shape;
  const Index a_strides = broadcast_strides(context.node.shape(0), out);
  const Index b_strides = broadcast_strides(context.node.shape(1), out);
  const kernels::Activation activation = *fused_activation(context.node.attrs);
  for_each_index(out, [&](const Index& index, int64_t position) {
    const double a = context.f32(0)[offset_of(index, a_strides, out.rank())];
    const double b = context.f32(1)[offset_of(index, b_strides, out.rank())];
    context.out_f32()[position] = static_cast<float>(activate(op(a, b), activation));
  });
  return {};
}

Outcome sure_division_fault(const NodeView& node) {
  const ir::Constant* divisors = node.inputs[1].constant;
  return divisors != nullptr ? division_fault(divisors->desc, divisors->data) : Outcome();
}

}  // namespace taoism::ops
