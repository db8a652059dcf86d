// Sub: a - b with numpy's broadcasting.
#include "ops/core/binary_op.h"

namespace taoism::ops {
namespace {

Outcome run(const RunContext& context) { return run_binary(kernels::BinaryOp::sub, context); }
Outcome reference(const RunContext& context) {
  return reference_binary(
      kernels::BinaryOp::sub, [](double a, double b) { return a - b; }, context);
}

}  // namespace

extern const OpDef kSubOp;
constinit const OpDef kSubOp = binary_op("Sub", Form::affine, {}, run, reference);

}  // namespace taoism::ops
