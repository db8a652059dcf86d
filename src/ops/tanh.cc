// Tanh: the hyperbolic tangent.
#include "ops/core/activation_op.h"

namespace taoism::ops {
namespace {

constexpr const char* kName = "Tanh";

Outcome run(const RunContext& context) { return run_activation(kName, context); }
Outcome reference(const RunContext& context) { return reference_activation(kName, context); }

}  // namespace

extern const OpDef kTanhOp;
constinit const OpDef kTanhOp = activation_op(kName, {}, run, reference);

}  // namespace taoism::ops
