// intermediate: a random share theta of the layers runs outside on weights scaled by a secret mu;
// the TEE runs the other layers and everything else, and undoes the scale (SOTER's placement and
// morphing, without its fingerprints).
#include <cmath>
#include <limits>

#include "crypto/random.h"
#include "partition/facts.h"
#include "partition/random.h"
#include "partition/split_layer.h"
#include "partition/strategy.h"

namespace taoism::partition {
namespace {

constexpr ParameterSpec kParameters[] = {
    {"theta", ParameterSpec::real, 0.9, 0, 1, "share of the layers that is offloaded"},
    {"seed", ParameterSpec::integer, 1, 0, 9007199254740992.0, "which layers"},
};
constexpr ParameterSpec kTransformParameters[] = {
    {"mu", ParameterSpec::real, 1, 1.0 / 1024, 1024, "the scale of the offloaded weights",
     /*is_secret=*/true},
};
// Near one, so that neither the weights nor the outputs lose precision.
constexpr float kLowestScale = 0.5F;
constexpr float kScaleRange = 1.5F;

Result<Annotations> annotate_intermediate(const ir::Graph& graph, const Parameters& parameters) {
  using ir::Placement;
  Annotations result;
  std::vector<size_t> layers;
  for (size_t n = 0; n < graph.node_count(); ++n) {
    const ir::Node& node = graph.node(static_cast<ir::NodeId>(n));
    if (is_splittable(graph, node)) layers.push_back(n);
    result.nodes.push_back({Placement::tee, "all but the offloaded layers", ""});
  }
  const auto offloaded = static_cast<size_t>(
      std::llround(parameters.real("theta") * static_cast<double>(layers.size())));
  Random random(static_cast<uint64_t>(parameters.integer("seed")));
  crypto::SecretRandom secret;
  for (size_t i = 0; i < layers.size(); ++i) {  // a shuffle, of which the first ones are taken
    std::swap(layers[i], layers[i + random.below(layers.size() - i)]);
    NodeAnnotation& mark = result.nodes[layers[i]];
    if (i >= offloaded) {
      mark.why = "layer drawn to stay";
      continue;
    }
    random.next();  // a layer takes two numbers, so that a seed's choice is what it ever was
    TAOISM_ASSIGN_OR_RETURN(const float unit, secret.unit());
    const float mu = kLowestScale + kScaleRange * unit;
    mark = {Placement::device, "weights scaled by a secret factor",
            "intermediate:mu=" + number_text(mu)};
  }
  return result;
}

Status rewrite_intermediate(ir::Graph& graph, ir::NodeId id, const Parameters& arguments) {
  TAOISM_ASSIGN_OR_RETURN(const LayerWeights layer, layer_weights(graph, id));
  return split_restore(graph, id, layer, static_cast<float>(arguments.real("mu")),
                       "undoes the scale, adds the bias");
}

std::vector<StrategySpec> sweep_intermediate(const ir::Graph&) {
  std::vector<StrategySpec> points;
  for (int tenths = 0; tenths <= 10; ++tenths) {
    points.push_back({"intermediate", {{"theta", number_text(tenths / 10.0)}}});
  }
  return points;
}

}  // namespace

extern const Strategy kIntermediateStrategy;
const Strategy kIntermediateStrategy = {
    .name = "intermediate",
    .summary = "a random share of the layers outside, their weights scaled by a secret factor",
    .parameters = kParameters,
    .warning =
        "intermediate offloads weights behind one static scale, which is known to be recoverable: "
        "for measurement alone",
    .annotate = annotate_intermediate,
    .rewrite = rewrite_intermediate,
    .transform_parameters = kTransformParameters,
    .sweep = sweep_intermediate,
};

}  // namespace taoism::partition
