// Activations that need no more than a name and attributes; what they compute is in
// kernels/epilogue.h.
#include "ops/core/activation_op.h"

namespace taoism::ops {
namespace {

constexpr AttrSpec kAlpha[] = {{"alpha", AttrSpec::real}};
constexpr AttrSpec kApproximate[] = {{"approximate", AttrSpec::text}};  // none, tanh
constexpr AttrSpec kSelu[] = {{"alpha", AttrSpec::real}, {"gamma", AttrSpec::real}};

template <const char* kName>
Outcome run(const RunContext& context) {
  return run_activation(kName, context);
}
template <const char* kName>
Outcome reference(const RunContext& context) {
  return reference_activation(kName, context);
}

template <const char* kName>
constexpr OpDef named_op(std::span<const AttrSpec> attrs) {
  return activation_op(kName, attrs, run<kName>, reference<kName>);
}

constexpr char kCelu[] = "Celu";
constexpr char kElu[] = "Elu";
constexpr char kErf[] = "Erf";
constexpr char kGelu[] = "Gelu";
constexpr char kMish[] = "Mish";
constexpr char kSeluName[] = "Selu";
constexpr char kSwish[] = "Swish";

Status infer_gelu(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  const std::string_view approximate = node.attrs.s("approximate", "none");
  if (approximate != "none" && approximate != "tanh") {
    return unsupported("approximate must be none or tanh, got " + std::string(approximate));
  }
  return infer_same(node, outputs);
}

Status infer_celu(const NodeView& node, std::span<ir::TensorDesc> outputs) {
  if (!(node.attrs.f("alpha", 1.0F) > 0)) return unsupported("alpha must be positive");
  return infer_same(node, outputs);
}

constexpr OpDef celu_op() {
  OpDef def = named_op<kCelu>(kAlpha);
  def.infer = infer_celu;
  return def;
}

constexpr OpDef gelu_op() {
  OpDef def = named_op<kGelu>(kApproximate);
  def.infer = infer_gelu;
  return def;
}

}  // namespace

TAOISM_OP(Celu) = celu_op();
TAOISM_OP(Elu) = named_op<kElu>(kAlpha);
TAOISM_OP(Erf) = named_op<kErf>({});
TAOISM_OP(Gelu) = gelu_op();
TAOISM_OP(Mish) = named_op<kMish>({});
TAOISM_OP(Selu) = named_op<kSeluName>(kSelu);
TAOISM_OP(Swish) = named_op<kSwish>(kAlpha);

}  // namespace taoism::ops
