// full: everything in the TEE. The upper bound of every comparison.
#include "partition/strategy.h"

namespace taoism::partition {
namespace {

Result<Annotations> annotate_full(const ir::Graph& graph, const Parameters&) {
  Annotations result;
  result.nodes.assign(graph.node_count(), {ir::Placement::tee, "everything is shielded", ""});
  return result;
}

}  // namespace

extern const Strategy kFullStrategy;
const Strategy kFullStrategy = {
    .name = "full",
    .summary = "everything in the TEE: the bound with full protection",
    .annotate = annotate_full,
};

}  // namespace taoism::partition
