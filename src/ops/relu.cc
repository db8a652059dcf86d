// Relu: max(x, 0).
#include "ops/core/activation_op.h"

namespace taoism::ops {
namespace {

constexpr const char* kName = "Relu";

void run(const RunContext& context) { run_activation(kName, context); }
void reference(const RunContext& context) { reference_activation(kName, context); }

}  // namespace

extern const OpDef kReluOp;
constinit const OpDef kReluOp = activation_op(kName, {}, run, reference);

}  // namespace taoism::ops
