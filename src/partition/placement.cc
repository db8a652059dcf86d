#include "partition/placement.h"

#include <string>
#include <unordered_set>

namespace taoism::partition {
namespace {

Status rewrite_node(ir::Graph& graph, ir::NodeId id, const std::string& transform) {
  TAOISM_ASSIGN_OR_RETURN(const StrategySpec spec, StrategySpec::parse(transform));
  TAOISM_ASSIGN_OR_RETURN(const Strategy* strategy, find_strategy(spec.name));
  if (strategy->rewrite == nullptr) {
    return invalid_argument("'" + spec.name + "' is no transform: it only places nodes");
  }
  TAOISM_ASSIGN_OR_RETURN(const Parameters arguments,
                          Parameters::resolve(spec, strategy->transform_parameters));
  return strategy->rewrite(graph, id, arguments);
}

// Gives the nodes that rewrites have added, from `first` on, names that no other node has.
void name_apart(ir::Graph& graph, size_t first) {
  std::unordered_set<std::string> taken;
  for (size_t n = 0; n < graph.node_count(); ++n) {
    std::string& name = graph.node(static_cast<ir::NodeId>(n)).name;
    const std::string wanted = name;
    for (int suffix = 2; n >= first && taken.contains(name); ++suffix) {
      name = wanted + "." + std::to_string(suffix);
    }
    taken.insert(name);
  }
}

}  // namespace

void resolve_automatic(ir::Graph& graph) {
  for (ir::Node& node : graph.nodes()) {
    if (node.placement != ir::Placement::automatic) continue;
    node.placement = ir::Placement::device;
    for (ir::ValueId input : node.inputs) {
      if (input == ir::kNoValue) continue;
      const ir::NodeId source = graph.value(input).producer;
      if (source != ir::kNoNode && graph.node(source).placement == ir::Placement::tee) {
        node.placement = ir::Placement::tee;
      }
    }
  }
}

Result<ir::Graph> apply(const ir::Graph& source, const Annotations& annotations) {
  if (annotations.nodes.size() != source.node_count()) {
    return invalid_argument("the plan marks " + std::to_string(annotations.nodes.size()) +
                            " nodes, but the model has " + std::to_string(source.node_count()));
  }
  ir::Graph graph = source;
  for (size_t n = 0; n < annotations.nodes.size(); ++n) {
    const NodeAnnotation& mark = annotations.nodes[n];
    const auto id = static_cast<ir::NodeId>(n);
    graph.node(id).placement = mark.placement;
    graph.node(id).why = mark.why;
    if (mark.transform.empty()) continue;
    const std::string where = "node '" + source.node(id).name + "'";
    if (mark.placement != ir::Placement::device) {
      return invalid_argument(where + " is placed in '" + ir::placement_name(mark.placement) +
                              "' but has the transform '" + mark.transform +
                              "', which is for the device: remove one of them");
    }
    if (Status status = rewrite_node(graph, id, mark.transform); !status.ok()) {
      return status.annotate(where);
    }
  }
  name_apart(graph, source.node_count());
  TAOISM_RETURN_IF_ERROR(graph.tidy());
  resolve_automatic(graph);
  return graph;
}

}  // namespace taoism::partition
