#include "partition/blocks.h"

#include <algorithm>
#include <numeric>

#include "partition/facts.h"

namespace taoism::partition {
namespace {

using ir::NodeId;

// Immediate dominators of a graph in topological order. Node -1 is the root: the graph's inputs.
class Dominators {
 public:
  explicit Dominators(const ir::Graph& graph) {
    for (size_t n = 0; n < graph.node_count(); ++n) {
      NodeId common = kNone;
      for (ir::ValueId input : graph.node(static_cast<NodeId>(n)).inputs) {
        if (input == ir::kNoValue || graph.value(input).is_constant()) continue;
        const NodeId source = graph.value(input).producer;
        common = common == kNone ? source : meet(common, source);
      }
      if (common == kNone) common = ir::kNoNode;
      parent_.push_back(common);
      depth_.push_back(depth(common) + 1);
    }
  }

  NodeId of(NodeId node) const { return parent_[static_cast<size_t>(node)]; }

 private:
  static constexpr NodeId kNone = -2;

  int depth(NodeId node) const {
    return node == ir::kNoNode ? 0 : depth_[static_cast<size_t>(node)];
  }
  NodeId meet(NodeId a, NodeId b) const {
    while (a != b) {
      if (depth(a) >= depth(b)) {
        a = of(a);
      } else {
        b = of(b);
      }
    }
    return a;
  }

  std::vector<NodeId> parent_;
  std::vector<int> depth_;
};

class Finder {
 public:
  explicit Finder(const ir::Graph& graph)
      : graph_(graph),
        group_(graph.node_count()),
        kind_(graph.node_count(), Block::other),
        grouped_(graph.node_count(), false),
        consumers_(graph.consumers()) {
    std::iota(group_.begin(), group_.end(), NodeId{0});
  }

  std::vector<Block> run() {
    join_residual_regions();
    start_layers();
    attach_the_rest();
    return collect();
  }

 private:
  // Groups are a union-find forest whose roots are the groups' earliest nodes; the root's index is
  // the group's place in the order. No node reads from a later group: what enters a residual region
  // comes from its fork, which is earlier than all of it, or from a region that it overlaps and is
  // one group with; a layer's group starts with the layer or with what leads to it alone; any other
  // node joins the latest group that it reads from.
  NodeId root(NodeId node) {
    while (group_[idx(node)] != node) {
      group_[idx(node)] = group_[idx(group_[idx(node)])];
      node = group_[idx(node)];
    }
    return node;
  }
  void unite(NodeId a, NodeId b) {
    a = root(a);
    b = root(b);
    if (a == b) return;
    if (a > b) std::swap(a, b);
    group_[idx(b)] = a;
    // A residual block stays one, whatever joins it.
    if (kind_[idx(b)] == Block::residual || kind_[idx(a)] == Block::other) {
      kind_[idx(a)] = kind_[idx(b)];
    }
  }
  static size_t idx(NodeId node) { return static_cast<size_t>(node); }

  // The node's non-constant inputs' producers; graph inputs are kNoNode.
  std::vector<NodeId> sources(NodeId node) const {
    std::vector<NodeId> result;
    for (ir::ValueId input : graph_.node(node).inputs) {
      if (input == ir::kNoValue || graph_.value(input).is_constant()) continue;
      result.push_back(graph_.value(input).producer);
    }
    return result;
  }

  bool is_join(NodeId node) const {
    const ir::Node& n = graph_.node(node);
    if (n.op != "Add" || n.inputs.size() != 2 || n.inputs[0] == n.inputs[1]) return false;
    return !graph_.value(n.inputs[0]).is_constant() && !graph_.value(n.inputs[1]).is_constant();
  }

  // All nodes between the fork, which dominates the join, and the join.
  std::vector<NodeId> region(NodeId fork, NodeId join) const {
    std::vector<bool> seen(graph_.node_count(), false);
    std::vector<NodeId> nodes{join};
    seen[idx(join)] = true;
    for (size_t i = 0; i < nodes.size(); ++i) {
      for (NodeId source : sources(nodes[i])) {
        if (source == fork || source == ir::kNoNode || seen[idx(source)]) continue;
        seen[idx(source)] = true;
        nodes.push_back(source);
      }
    }
    return nodes;
  }

  void join_residual_regions() {
    const Dominators dominators(graph_);
    // In a region without a layer. It holds the regions of its joins, which need not be walked.
    std::vector<bool> plain(graph_.node_count(), false);
    for (size_t n = graph_.node_count(); n-- > 0;) {  // outer joins before those inside them
      const auto join = static_cast<NodeId>(n);
      if (grouped_[n] || plain[n] || !is_join(join)) continue;
      const NodeId fork = dominators.of(join);
      if (fork == ir::kNoNode && graph_.inputs().size() != 1) continue;
      const std::vector<NodeId> nodes = region(fork, join);
      const bool has_layer = std::any_of(nodes.begin(), nodes.end(), [&](NodeId node) {
        return is_layer(graph_, graph_.node(node));
      });
      if (!has_layer) {  // an activation written out, not a block
        for (NodeId node : nodes) plain[idx(node)] = true;
        continue;
      }
      kind_[idx(root(join))] = Block::residual;
      for (NodeId node : nodes) {
        grouped_[idx(node)] = true;
        unite(node, join);
      }
    }
  }

  bool is_before_classifier(NodeId node) const {
    const ir::Node& n = graph_.node(node);
    return role_of(n) == ops::Role::layout || n.op == "GlobalAveragePool" ||
           n.op == "GlobalMaxPool" || n.op == "AveragePool" || n.op == "ReduceMean";
  }

  // Every layer outside residual blocks starts a group; a linear one takes the pool and reshape
  // that lead to it alone.
  void start_layers() {
    for (size_t n = 0; n < graph_.node_count(); ++n) {
      const auto layer = static_cast<NodeId>(n);
      if (grouped_[n] || !is_layer(graph_, graph_.node(layer))) continue;
      grouped_[n] = true;
      const bool convolution = graph_.node(layer).op == "Conv";
      kind_[idx(root(layer))] = convolution ? Block::convolution : Block::linear;
      if (convolution) continue;
      ir::ValueId input = graph_.node(layer).inputs[0];
      while (true) {
        const NodeId before = graph_.value(input).producer;
        if (before == ir::kNoNode || grouped_[idx(before)] || !is_before_classifier(before)) break;
        if (consumers_[static_cast<size_t>(input)].size() != 1 || graph_.is_output(input)) break;
        grouped_[idx(before)] = true;
        unite(before, layer);
        input = graph_.node(before).inputs[0];
      }
    }
  }

  // The others belong to the latest group that they read from; what comes before every layer, to
  // the first one.
  void attach_the_rest() {
    NodeId first = ir::kNoNode;
    for (size_t n = 0; n < graph_.node_count() && first == ir::kNoNode; ++n) {
      if (grouped_[n]) first = root(static_cast<NodeId>(n));
    }
    std::vector<NodeId> leading;
    for (size_t n = 0; n < graph_.node_count(); ++n) {
      if (grouped_[n]) continue;
      const auto node = static_cast<NodeId>(n);
      NodeId latest = ir::kNoNode;
      for (NodeId source : sources(node)) {
        if (source != ir::kNoNode && grouped_[idx(source)]) latest = std::max(latest, root(source));
      }
      if (latest == ir::kNoNode) {
        leading.push_back(node);
        continue;
      }
      grouped_[n] = true;
      unite(node, latest);
    }
    for (NodeId node : leading) unite(node, first == ir::kNoNode ? leading.front() : first);
  }

  std::vector<Block> collect() {
    std::vector<Block> blocks;
    std::vector<size_t> block_of(graph_.node_count());
    for (size_t n = 0; n < graph_.node_count(); ++n) {
      const NodeId group = root(static_cast<NodeId>(n));
      if (idx(group) == n) {
        block_of[n] = blocks.size();
        blocks.push_back({kind_[n], {}});
      }
      blocks[block_of[idx(group)]].nodes.push_back(static_cast<NodeId>(n));
    }
    return blocks;
  }

  const ir::Graph& graph_;
  std::vector<NodeId> group_;
  std::vector<Block::Kind> kind_;
  std::vector<bool> grouped_;
  std::vector<std::vector<NodeId>> consumers_;
};

}  // namespace

const char* block_kind_name(Block::Kind kind) {
  switch (kind) {
    case Block::residual: return "residual";
    case Block::convolution: return "convolution";
    case Block::linear: return "linear";
    case Block::other: return "other";
  }
  return "unknown";
}

std::vector<Block> find_blocks(const ir::Graph& graph) { return Finder(graph).run(); }

}  // namespace taoism::partition
