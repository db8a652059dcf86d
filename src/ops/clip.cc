// Clip: x limited to [min, max]; an absent bound is infinite, and max wins where they cross.
#include "ops/core/activation_op.h"

namespace taoism::ops {
namespace {

constexpr const char* kName = "Clip";
constexpr AttrSpec kAttrs[] = {{"min", AttrSpec::real}, {"max", AttrSpec::real}};

Outcome run(const RunContext& context) { return run_activation(kName, context); }
Outcome reference(const RunContext& context) { return reference_activation(kName, context); }

}  // namespace

extern const OpDef kClipOp;
constinit const OpDef kClipOp = activation_op(kName, kAttrs, run, reference);

}  // namespace taoism::ops
