// Add: a + b with numpy's broadcasting, and a fused activation.
#include "ops/core/binary_op.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAttrs[] = {TAOISM_FUSED_ACTIVATION_ATTRS};

Outcome run(const RunContext& context) { return run_binary(kernels::BinaryOp::add, context); }
Outcome reference(const RunContext& context) {
  return reference_binary(
      kernels::BinaryOp::add, [](double a, double b) { return a + b; }, context);
}

}  // namespace

extern const OpDef kAddOp;
constinit const OpDef kAddOp = binary_op("Add", Form::affine, kAttrs, run, reference);

}  // namespace taoism::ops
