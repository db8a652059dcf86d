// Sigmoid: 1 / (1 + exp(-x)).
#include "ops/core/activation_op.h"

namespace taoism::ops {
namespace {

constexpr const char* kName = "Sigmoid";

Outcome run(const RunContext& context) { return run_activation(kName, context); }
Outcome reference(const RunContext& context) { return reference_activation(kName, context); }

}  // namespace

extern const OpDef kSigmoidOp;
constinit const OpDef kSigmoidOp = activation_op(kName, {}, run, reference);

}  // namespace taoism::ops
