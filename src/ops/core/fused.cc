#include "ops/fused.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace taoism::ops {
namespace {

using kernels::Activation;
using kernels::ActivationKind;

// How an activation's two numbers are called on its own node, and what they are when absent.
struct Known {
  const char* op;
  ActivationKind kind;
  const char* a_attr = nullptr;
  const char* b_attr = nullptr;
  float a = 0;
  float b = 0;
};

constexpr float kInfinity = std::numeric_limits<float>::infinity();

constexpr float kSeluAlpha = 1.6732632F, kSeluGamma = 1.0507010F;

constexpr Known kKnown[] = {
    {"Relu", ActivationKind::relu},
    {"LeakyRelu", ActivationKind::leaky_relu, "alpha", nullptr, 0.01F},
    {"Clip", ActivationKind::clip, "min", "max", -kInfinity, kInfinity},
    {"Sigmoid", ActivationKind::sigmoid},
    {"HardSigmoid", ActivationKind::hard_sigmoid, "alpha", "beta", 0.2F, 0.5F},
    {"HardSwish", ActivationKind::hard_swish},
    {"Tanh", ActivationKind::tanh},
    {"Erf", ActivationKind::erf},
    {"Gelu", ActivationKind::gelu},
    {"taoism.GeluTanh", ActivationKind::gelu_tanh},  // Gelu with approximate = tanh
    {"Swish", ActivationKind::swish, "alpha", nullptr, 1.0F},
    {"Elu", ActivationKind::elu, "alpha", nullptr, 1.0F, 1.0F},
    {"Selu", ActivationKind::elu, "alpha", "gamma", kSeluAlpha, kSeluGamma},
    {"Celu", ActivationKind::celu, "alpha", nullptr, 1.0F},
    {"Mish", ActivationKind::mish},
};

const Known* find_known(std::string_view op) {
  const auto* it = std::find_if(std::begin(kKnown), std::end(kKnown),
                                [op](const Known& known) { return known.op == op; });
  return it == std::end(kKnown) ? nullptr : it;
}

}  // namespace

Result<Activation> fused_activation(const ir::Attrs& attrs) {
  const std::string_view name = attrs.s("activation");
  if (name.empty()) return Activation{};
  const Known* known = find_known(name);
  if (known == nullptr) return unsupported("unknown activation " + std::string(name));
  return Activation{known->kind, attrs.f("activation_a", known->a),
                    attrs.f("activation_b", known->b)};
}

void set_fused_activation(ir::Attrs& attrs, const Activation& activation) {
  attrs.erase("activation");
  attrs.erase("activation_a");
  attrs.erase("activation_b");
  for (const Known& known : kKnown) {
    if (known.kind != activation.kind || attrs.has("activation")) continue;
    attrs.set("activation", std::string(known.op));
    if (known.a_attr != nullptr) attrs.set("activation_a", activation.a);
    if (known.b_attr != nullptr || known.b != activation.b) {
      attrs.set("activation_b", activation.b);
    }
  }
}

std::optional<Activation> activation_of(std::string_view op, const ir::Attrs& attrs) {
  if (op == "Gelu" && attrs.s("approximate") == "tanh") op = "taoism.GeluTanh";
  const Known* known = find_known(op);
  if (known == nullptr) return std::nullopt;
  return Activation{known->kind, known->a_attr ? attrs.f(known->a_attr, known->a) : known->a,
                    known->b_attr ? attrs.f(known->b_attr, known->b) : known->b};
}

double activate(double value, const Activation& activation) {
  if (std::isnan(value)) return value;
  const double a = activation.a, b = activation.b;
  switch (activation.kind) {
    case ActivationKind::none: return value;
    case ActivationKind::relu: return std::max(value, 0.0);
    case ActivationKind::leaky_relu: return value < 0 ? a * value : value;
    case ActivationKind::clip: return std::min(std::max(value, a), b);
    case ActivationKind::sigmoid: return 1 / (1 + std::exp(-value));
    case ActivationKind::hard_sigmoid: return std::clamp(a * value + b, 0.0, 1.0);
    case ActivationKind::hard_swish: return value * std::clamp(value / 6 + 0.5, 0.0, 1.0);
    case ActivationKind::tanh: return std::tanh(value);
    case ActivationKind::erf: return std::erf(value);
    case ActivationKind::gelu: return 0.5 * value * (1 + std::erf(value * std::sqrt(0.5)));
    case ActivationKind::gelu_tanh:
      return 0.5 * value *
             (1 + std::tanh(0.7978845608028654 * (value + 0.044715 * value * value * value)));
    case ActivationKind::swish: return value / (1 + std::exp(-a * value));
    case ActivationKind::elu: return b * (value < 0 ? a * (std::exp(value) - 1) : value);
    case ActivationKind::celu: return value < 0 ? a * (std::exp(value / a) - 1) : value;
    case ActivationKind::mish:
      return value * std::tanh(value > 0 ? value + std::log1p(std::exp(-value))
                                         : std::log1p(std::exp(value)));
  }
  return value;
}

}  // namespace taoism::ops
