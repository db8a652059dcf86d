#include "partition/segments.h"

#include <algorithm>
#include <functional>
#include <queue>

#include "partition/facts.h"

namespace taoism::partition {
namespace {

using ir::NodeId;
using ir::Placement;

size_t side_index(Placement side) { return side == Placement::tee ? 1 : 0; }

// Runs everything that is ready on one side, then changes sides, and so on. For a given first side
// no order changes sides less often: by induction, what has run at each change includes what any
// other order could have run by then. Within a side, nodes keep the graph's order as far as
// possible.
std::vector<ir::Segment> schedule(const ir::Graph& graph, Placement first_side) {
  std::vector<int> missing(graph.node_count(), 0);
  std::vector<std::vector<NodeId>> readers(graph.node_count());
  using Queue = std::priority_queue<NodeId, std::vector<NodeId>, std::greater<>>;
  Queue ready[2];
  for (size_t n = 0; n < graph.node_count(); ++n) {
    const auto node = static_cast<NodeId>(n);
    for (ir::ValueId input : graph.node(node).inputs) {
      if (input == ir::kNoValue) continue;
      const NodeId source = graph.value(input).producer;
      if (source == ir::kNoNode) continue;
      readers[idx(source)].push_back(node);
      ++missing[n];
    }
    if (missing[n] == 0) ready[side_index(graph.node(node).placement)].push(node);
  }
  std::vector<ir::Segment> segments;
  Placement side = first_side;
  while (!ready[0].empty() || !ready[1].empty()) {
    Queue& queue = ready[side_index(side)];
    ir::Segment segment{side, {}, {}, {}};
    while (!queue.empty()) {
      const NodeId node = queue.top();
      queue.pop();
      segment.nodes.push_back(node);
      for (NodeId reader : readers[idx(node)]) {
        if (--missing[idx(reader)] == 0)
          ready[side_index(graph.node(reader).placement)].push(reader);
      }
    }
    if (!segment.nodes.empty()) segments.push_back(std::move(segment));
    side = side == Placement::tee ? Placement::device : Placement::tee;
  }
  return segments;
}

// Fills in what crosses into and out of each segment.
void list_crossings(const ir::Graph& graph, std::vector<ir::Segment>& segments) {
  const std::vector<std::vector<NodeId>> consumers = graph.consumers();
  std::vector<bool> known[2];  // by side: made there, or handed to it
  for (auto& side : known) side.assign(graph.value_count(), false);
  for (ir::Segment& segment : segments) {
    std::vector<bool>& here = known[side_index(segment.placement)];
    for (NodeId node : segment.nodes) {
      for (ir::ValueId input : graph.node(node).inputs) {
        if (input == ir::kNoValue || graph.value(input).is_constant() || here[idx(input)]) continue;
        here[idx(input)] = true;
        segment.inputs.push_back(input);
      }
      for (ir::ValueId output : graph.node(node).outputs) {
        if (output == ir::kNoValue) continue;
        here[idx(output)] = true;
        const auto& readers = consumers[idx(output)];
        const bool crosses = std::any_of(readers.begin(), readers.end(), [&](NodeId reader) {
          return graph.node(reader).placement != segment.placement;
        });
        if (crosses || graph.is_output(output)) segment.outputs.push_back(output);
      }
    }
  }
}

}  // namespace

Result<ir::PartitionedGraph> make_segments(ir::Graph graph) {
  for (const ir::Node& node : graph.nodes()) {
    if (node.placement == Placement::automatic) {
      return internal_error("node '" + node.name + "' has no side yet");
    }
  }
  for (ir::ValueId output : graph.outputs()) {
    const ir::Value& value = graph.value(output);
    if (value.producer == ir::kNoNode) {
      return unsupported("output '" + value.name + "' is an input or a constant: no node makes it");
    }
  }
  std::vector<ir::Segment> segments = schedule(graph, Placement::device);
  std::vector<ir::Segment> other = schedule(graph, Placement::tee);
  if (other.size() < segments.size()) segments = std::move(other);
  list_crossings(graph, segments);
  return ir::PartitionedGraph{std::move(graph), std::move(segments)};
}

TeeSegments tee_segments(const ir::PartitionedGraph& partitioned) {
  TeeSegments result{.of_node = std::vector<size_t>(partitioned.graph.node_count())};
  for (const ir::Segment& segment : partitioned.segments) {
    if (segment.placement != ir::Placement::tee) continue;
    for (const ir::NodeId node : segment.nodes) result.of_node[idx(node)] = result.count;
    ++result.count;
  }
  return result;
}

}  // namespace taoism::partition
