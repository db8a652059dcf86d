// Sub: a - b with numpy's broadcasting.
#include "ops/core/binary_op.h"

namespace taoism::ops {
namespace {

void run(const RunContext& context) { run_binary(kernels::BinaryOp::sub, context); }
void reference(const RunContext& context) {
  reference_binary(
      kernels::BinaryOp::sub, [](double a, double b) { return a - b; }, context);
}

}  // namespace

extern const OpDef kSubOp;
constinit const OpDef kSubOp = binary_op("Sub", {}, run, reference);

}  // namespace taoism::ops
