// LeakyRelu: x < 0 ? alpha * x : x.
#include "ops/core/activation_op.h"

namespace taoism::ops {
namespace {

constexpr const char* kName = "LeakyRelu";
constexpr AttrSpec kAttrs[] = {{"alpha", AttrSpec::real}};

Outcome run(const RunContext& context) { return run_activation(kName, context); }
Outcome reference(const RunContext& context) { return reference_activation(kName, context); }

}  // namespace

extern const OpDef kLeakyReluOp;
constinit const OpDef kLeakyReluOp = activation_op(kName, kAttrs, run, reference);

}  // namespace taoism::ops
