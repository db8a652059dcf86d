#include "ops/core/binary_op.h"

namespace taoism::ops {

void run_binary(kernels::BinaryOp op, const RunContext& context) {
  const ir::Shape& a = context.node.shape(0);
  const ir::Shape& b = context.node.shape(1);
  const ir::Shape& out = context.node.outputs[0].shape;
  const kernels::Activation activation = *fused_activation(context.node.attrs);
  if (a == b) {
    return kernels::binary(op, context.f32(0), context.f32(1), context.out_f32(), out.elements(),
                           activation, context.parallel);
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
}

void reference_binary(double (*op)(double, double), const RunContext& context) {
  const ir::Shape& out = context.node.outputs[0].shape;
  const Index a_strides = broadcast_strides(context.node.shape(0), out);
  const Index b_strides = broadcast_strides(context.node.shape(1), out);
  const kernels::Activation activation = *fused_activation(context.node.attrs);
  for_each_index(out, [&](const Index& index, int64_t position) {
    const double a = context.f32(0)[offset_of(index, a_strides, out.rank())];
    const double b = context.f32(1)[offset_of(index, b_strides, out.rank())];
    context.out_f32()[position] = static_cast<float>(activate(op(a, b), activation));
  });
}

}  // namespace taoism::ops
