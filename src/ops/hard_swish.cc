// HardSwish: x * (x / 6 + 1/2 limited to [0, 1]).
#include "ops/core/activation_op.h"

namespace taoism::ops {
namespace {

constexpr const char* kName = "HardSwish";

void run(const RunContext& context) { run_activation(kName, context); }
void reference(const RunContext& context) { reference_activation(kName, context); }

}  // namespace

extern const OpDef kHardSwishOp;
constinit const OpDef kHardSwishOp = activation_op(kName, {}, run, reference);

}  // namespace taoism::ops
