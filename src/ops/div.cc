// Div: a / b with numpy's broadcasting.
#include "ops/core/binary_op.h"

namespace taoism::ops {
namespace {

void run(const RunContext& context) { run_binary(kernels::BinaryOp::div, context); }
void reference(const RunContext& context) {
  reference_binary(
      kernels::BinaryOp::div, [](double a, double b) { return a / b; }, context);
}

}  // namespace

extern const OpDef kDivOp;
constinit const OpDef kDivOp = binary_op("Div", {}, run, reference);

}  // namespace taoism::ops
