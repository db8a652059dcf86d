// shallow: the first k blocks in the TEE, everything else outside in clear.
#include <limits>

#include "partition/depth.h"

namespace taoism::partition {
namespace {

constexpr ParameterSpec kParameters[] = {
    {"k", ParameterSpec::integer, 1, 0, std::numeric_limits<double>::infinity(),
     "how many blocks, counted from the model's input; from 0 to all"},
};

Result<Annotations> annotate_shallow(const ir::Graph& graph, const Parameters& parameters) {
  return shield_blocks(graph, "shallow", parameters.integer("k"), End::first);
}

std::vector<StrategySpec> sweep_shallow(const ir::Graph& graph) {
  return every_depth(graph, "shallow");
}

}  // namespace

extern const Strategy kShallowStrategy;
const Strategy kShallowStrategy = {
    .name = "shallow",
    .summary = "the first k blocks in the TEE (k=1: the stem alone)",
    .parameters = kParameters,
    .annotate = annotate_shallow,
    .sweep = sweep_shallow,
};

}  // namespace taoism::partition
