// Relu: max(x, 0).
#include "ops/core/activation_op.h"

namespace taoism::ops {
namespace {

constexpr const char* kName = "Relu";

Outcome run(const RunContext& context) { return run_activation(kName, context); }
Outcome reference(const RunContext& context) { return reference_activation(kName, context); }

}  // namespace

extern const OpDef kReluOp;
constinit const OpDef kReluOp = activation_op(kName, {}, run, reference);

}  // namespace taoism::ops
