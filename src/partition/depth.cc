#include "partition/depth.h"

#include "partition/blocks.h"

namespace taoism::partition {

Result<Annotations> shield_blocks(const ir::Graph& graph, const char* strategy, int64_t k,
                                  End end) {
  const std::vector<Block> blocks = find_blocks(graph);
  const auto count = static_cast<int64_t>(blocks.size());
  if (k < 0 || k > count) {
    return invalid_argument(std::string(strategy) + ": k=" + std::to_string(k) +
                            " is out of range: this model has " + std::to_string(count) +
                            " blocks, so k is 0.." + std::to_string(count));
  }
  Annotations result;
  result.nodes.resize(graph.node_count());
  for (int64_t b = 0; b < count; ++b) {
    const Block& block = blocks[static_cast<size_t>(b)];
    const bool inside = end == End::first ? b < k : b >= count - k;
    const std::string why = std::string(block_kind_name(block.kind)) + " block " +
                            std::to_string(b + 1) + " of " + std::to_string(count);
    for (ir::NodeId node : block.nodes) {
      result.nodes[static_cast<size_t>(node)] = {
          inside ? ir::Placement::tee : ir::Placement::device, why, ""};
    }
  }
  return result;
}

std::vector<StrategySpec> every_depth(const ir::Graph& graph, const char* strategy) {
  std::vector<StrategySpec> points;
  const size_t count = find_blocks(graph).size();
  for (size_t k = 0; k <= count; ++k) points.push_back({strategy, {{"k", std::to_string(k)}}});
  return points;
}

}  // namespace taoism::partition
