// deep: the last k blocks in the TEE, everything else outside in clear.
#include <limits>

#include "partition/depth.h"

namespace taoism::partition {
namespace {

constexpr ParameterSpec kParameters[] = {
    {"k", ParameterSpec::integer, 1, 0, std::numeric_limits<double>::infinity(),
     "how many blocks, counted from the model's output; from 0 to all"},
};

Result<Annotations> annotate_deep(const ir::Graph& graph, const Parameters& parameters) {
  return shield_blocks(graph, "deep", parameters.integer("k"), End::last);
}

std::vector<StrategySpec> sweep_deep(const ir::Graph& graph) { return every_depth(graph, "deep"); }

}  // namespace

extern const Strategy kDeepStrategy;
const Strategy kDeepStrategy = {
    .name = "deep",
    .summary = "the last k blocks in the TEE (k=1: the classifier alone)",
    .parameters = kParameters,
    .annotate = annotate_deep,
    .sweep = sweep_deep,
};

}  // namespace taoism::partition
