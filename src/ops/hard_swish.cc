// HardSwish: x * (x / 6 + 1/2 limited to [0, 1]).
#include "ops/core/activation_op.h"

namespace taoism::ops {
namespace {

constexpr const char* kName = "HardSwish";

Outcome run(const RunContext& context) { return run_activation(kName, context); }
Outcome reference(const RunContext& context) { return reference_activation(kName, context); }

}  // namespace

extern const OpDef kHardSwishOp;
constinit const OpDef kHardSwishOp = activation_op(kName, {}, run, reference);

}  // namespace taoism::ops
