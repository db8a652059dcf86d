// Tanh: the hyperbolic tangent.
#include "ops/core/activation_op.h"

namespace taoism::ops {
namespace {

constexpr const char* kName = "Tanh";

void run(const RunContext& context) { run_activation(kName, context); }
void reference(const RunContext& context) { reference_activation(kName, context); }

}  // namespace

extern const OpDef kTanhOp;
constinit const OpDef kTanhOp = activation_op(kName, {}, run, reference);

}  // namespace taoism::ops
