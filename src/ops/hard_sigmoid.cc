// HardSigmoid: alpha * x + beta limited to [0, 1].
#include "ops/core/activation_op.h"

namespace taoism::ops {
namespace {

constexpr const char* kName = "HardSigmoid";
constexpr AttrSpec kAttrs[] = {{"alpha", AttrSpec::real}, {"beta", AttrSpec::real}};

Outcome run(const RunContext& context) { return run_activation(kName, context); }
Outcome reference(const RunContext& context) { return reference_activation(kName, context); }

}  // namespace

extern const OpDef kHardSigmoidOp;
constinit const OpDef kHardSigmoidOp = activation_op(kName, kAttrs, run, reference);

}  // namespace taoism::ops
