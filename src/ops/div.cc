// Div: a / b with numpy's broadcasting; an integer divided by 0 is a fault.
#include "ops/core/binary_op.h"

namespace taoism::ops {
namespace {

Outcome run(const RunContext& context) { return run_binary(kernels::BinaryOp::div, context); }
Outcome reference(const RunContext& context) {
  return reference_binary(
      kernels::BinaryOp::div, [](double a, double b) { return a / b; }, context);
}

constexpr OpDef dividing(OpDef def) {
  def.sure_fault = sure_division_fault;
  return def;
}

}  // namespace

extern const OpDef kDivOp;
constinit const OpDef kDivOp =
    dividing(binary_op("Div", Form::affine_in_first, {}, run, reference));

}  // namespace taoism::ops
