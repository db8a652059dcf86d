// Mul: a * b with numpy's broadcasting.
#include "ops/core/binary_op.h"

namespace taoism::ops {
namespace {

Outcome run(const RunContext& context) { return run_binary(kernels::BinaryOp::mul, context); }
Outcome reference(const RunContext& context) {
  return reference_binary(
      kernels::BinaryOp::mul, [](double a, double b) { return a * b; }, context);
}

}  // namespace

extern const OpDef kMulOp;
constinit const OpDef kMulOp = binary_op("Mul", Form::affine_in_each, {}, run, reference);

}  // namespace taoism::ops
