// none: everything outside, in clear. The lower bound of every comparison.
#include "partition/strategy.h"

namespace taoism::partition {
namespace {

Result<Annotations> annotate_none(const ir::Graph& graph, const Parameters&) {
  Annotations result;
  result.nodes.assign(graph.node_count(), {ir::Placement::device, "nothing is shielded", ""});
  return result;
}

}  // namespace

extern const Strategy kNoneStrategy;
const Strategy kNoneStrategy = {
    .name = "none",
    .summary = "everything on the device: the bound without protection",
    .annotate = annotate_none,
};

}  // namespace taoism::partition
