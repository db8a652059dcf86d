// nonlinear: linear layers and the batch-norm behind them outside, every non-linear operator inside
// (the placement of ShadowNet, without its transform of the weights).
#include "partition/facts.h"
#include "partition/strategy.h"

namespace taoism::partition {
namespace {

constexpr ParameterSpec kParameters[] = {
    {"first", ParameterSpec::integer, 1, 0, 1,
     "1: the first layer stays in the TEE as well; 0: not"},
};

// The layer that computes what this batch-norm normalises, or kNoNode.
ir::NodeId layer_before(const ir::Graph& graph, const ir::Node& node) {
  const ir::ValueId input = input_of(node, 0);
  if (input == ir::kNoValue) return ir::kNoNode;
  const ir::NodeId source = graph.value(input).producer;
  if (source == ir::kNoNode || !is_layer(graph, graph.node(source))) return ir::kNoNode;
  return source;
}

Result<Annotations> annotate_nonlinear(const ir::Graph& graph, const Parameters& parameters) {
  using ir::Placement;
  Annotations result;
  result.nodes.resize(graph.node_count());
  bool shield_next = parameters.integer("first") == 1;
  for (size_t n = 0; n < graph.node_count(); ++n) {
    const ir::Node& node = graph.node(static_cast<ir::NodeId>(n));
    NodeAnnotation& mark = result.nodes[n];
    if (is_layer(graph, node)) {
      mark = shield_next ? NodeAnnotation{Placement::tee, "first layer", ""}
                         : NodeAnnotation{Placement::device, "linear: offloaded in clear", ""};
      shield_next = false;
      continue;
    }
    const ops::Role role = role_of(node);
    const ir::NodeId layer = role == ops::Role::affine ? layer_before(graph, node) : ir::kNoNode;
    if (role == ops::Role::nonlinear) {
      mark = {Placement::tee, "non-linear", ""};
    } else if (layer != ir::kNoNode) {
      mark = {result.nodes[static_cast<size_t>(layer)].placement, "goes with the layer before it",
              ""};
    } else {
      mark = {Placement::automatic, "follows its input", ""};
    }
  }
  return result;
}

}  // namespace

extern const Strategy kNonlinearStrategy;
const Strategy kNonlinearStrategy = {
    .name = "nonlinear",
    .summary = "every non-linear operator in the TEE, linear layers outside",
    .parameters = kParameters,
    .warning = "nonlinear offloads the weights of linear layers unprotected: for measurement alone",
    .annotate = annotate_nonlinear,
};

}  // namespace taoism::partition
