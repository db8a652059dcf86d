#include "package/public_part.h"

#include <map>

namespace taoism::package {
namespace {

class PublicPart {
 public:
  explicit PublicPart(const ir::PartitionedGraph& from) : from_(from) {}

  ir::PartitionedGraph run() {
    to_.graph.name = from_.graph.name;
    for (const ir::ValueId input : from_.graph.inputs()) {
      const ir::Value& value = from_.graph.value(input);
      kept_[input] = to_.graph.add_input(value.name, value.desc);
      mark(input);
    }
    for (const ir::Segment& segment : from_.segments) {
      ir::Segment& kept = to_.segments.emplace_back();
      kept.placement = segment.placement;
      kept.inputs = keep(segment.inputs);
      if (segment.placement == ir::Placement::tee) {
        ir::Node node;
        node.op = kSealedOp;
        node.name = "taoism.sealed." + std::to_string(to_.segments.size() - 1);
        node.placement = ir::Placement::tee;
        node.inputs = kept.inputs;
        node.outputs = keep(segment.outputs);
        kept.nodes.push_back(to_.graph.add_node(std::move(node)));
      } else {
        for (const ir::NodeId id : segment.nodes) {
          ir::Node node = from_.graph.node(id);
          node.inputs = keep(node.inputs);
          node.outputs = keep(node.outputs);
          node.why.clear();
          kept.nodes.push_back(to_.graph.add_node(std::move(node)));
        }
      }
      kept.outputs = keep(segment.outputs);
    }
    to_.graph.set_outputs(keep(from_.graph.outputs()));
    return std::move(to_);
  }

 private:
  std::vector<ir::ValueId> keep(const std::vector<ir::ValueId>& ids) {
    std::vector<ir::ValueId> kept;
    kept.reserve(ids.size());
    for (const ir::ValueId id : ids) kept.push_back(id == ir::kNoValue ? id : keep(id));
    return kept;
  }
  ir::ValueId keep(ir::ValueId id) {
    if (const auto found = kept_.find(id); found != kept_.end()) return found->second;
    const ir::Value& value = from_.graph.value(id);
    kept_[id] = value.is_constant() ? to_.graph.add_constant(value.name, value.constant)
                                    : to_.graph.add_value(value.name, value.desc);
    mark(id);
    return kept_[id];
  }
  void mark(ir::ValueId id) {
    to_.graph.value(kept_[id]).is_private = from_.graph.value(id).is_private;
  }

  const ir::PartitionedGraph& from_;
  ir::PartitionedGraph to_;
  std::map<ir::ValueId, ir::ValueId> kept_;
};

}  // namespace

ir::PartitionedGraph public_part(const ir::PartitionedGraph& graph) {
  return PublicPart(graph).run();
}

}  // namespace taoism::package
