// magnitude: of every layer's weights the share p of largest magnitude stays in the TEE as a sparse
// matrix; the layer runs outside on the remainder, and the TEE adds the partial sums and the bias.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "partition/facts.h"
#include "partition/split_layer.h"
#include "partition/strategy.h"

namespace taoism::partition {
namespace {

constexpr ParameterSpec kParameters[] = {
    {"p", ParameterSpec::real, 0.01, 0, 1, "share of every layer's weights that stays in the TEE"},
};

Result<Annotations> annotate_magnitude(const ir::Graph& graph, const Parameters& parameters) {
  using ir::Placement;
  const double p = parameters.real("p");
  const std::string transform = "magnitude:p=" + number_text(p);
  const std::string why = "largest " + number_text(100 * p) + " % of weights in the TEE";
  Annotations result;
  for (const ir::Node& node : graph.nodes()) {
    if (!is_layer(graph, node)) {
      result.nodes.push_back({Placement::tee, "all but the layers' remainders", ""});
    } else if (!is_splittable(graph, node)) {
      result.nodes.push_back({Placement::tee, "weights that cannot be split", ""});
    } else if (p >= 1) {
      result.nodes.push_back({Placement::tee, "all of its weights", ""});
    } else {
      result.nodes.push_back({Placement::device, why, transform});
    }
  }
  return result;
}

// NaN is largest, so that a strange weight is rather kept than given away.
float magnitude_of(float weight) {
  return std::isnan(weight) ? std::numeric_limits<float>::infinity() : std::fabs(weight);
}

// Marks the `count` largest magnitudes, 0 < count < size; ties go to the lower index.
std::vector<bool> largest(std::span<const float> weights, size_t count) {
  float threshold = 0;
  size_t above = 0;
  {
    std::vector<float> magnitudes(weights.size());
    std::transform(weights.begin(), weights.end(), magnitudes.begin(), magnitude_of);
    const auto last = magnitudes.begin() + static_cast<std::ptrdiff_t>(count - 1);
    std::nth_element(magnitudes.begin(), last, magnitudes.end(), std::greater<>());
    threshold = *last;
    above = static_cast<size_t>(
        std::count_if(magnitudes.begin(), last, [&](float m) { return m > threshold; }));
  }
  size_t ties = count - above;
  std::vector<bool> marks(weights.size(), false);
  for (size_t i = 0; i < weights.size(); ++i) {
    const float magnitude = magnitude_of(weights[i]);
    if (magnitude > threshold) {
      marks[i] = true;
    } else if (magnitude == threshold && ties > 0) {
      marks[i] = true;
      --ties;
    }
  }
  return marks;
}

Status rewrite_magnitude(ir::Graph& graph, ir::NodeId id, const Parameters& arguments) {
  const double p = arguments.real("p");
  TAOISM_ASSIGN_OR_RETURN(const LayerWeights layer, layer_weights(graph, id));
  const auto total = static_cast<double>(layer.values.size());
  const auto kept = static_cast<size_t>(std::llround(p * total));
  if (kept == layer.values.size()) {
    graph.node(id).placement = ir::Placement::tee;
    return {};
  }
  if (kept == 0) return split_restore(graph, id, layer, 1.0F, "bias kept in the TEE");
  return split_sparse(graph, id, layer, largest(layer.values, kept));
}

std::vector<StrategySpec> sweep_magnitude(const ir::Graph&) {
  std::vector<StrategySpec> points;
  for (const char* p : {"0", "0.01", "0.1", "0.25", "0.5", "0.75", "1"}) {
    points.push_back({"magnitude", {{"p", p}}});
  }
  return points;
}

}  // namespace

extern const Strategy kMagnitudeStrategy;
const Strategy kMagnitudeStrategy = {
    .name = "magnitude",
    .summary = "the largest weights of every layer in the TEE, the remainder outside",
    .parameters = kParameters,
    .warning = "magnitude offloads the remaining weights unprotected: for measurement alone",
    .annotate = annotate_magnitude,
    .rewrite = rewrite_magnitude,
    .transform_parameters = kParameters,
    .sweep = sweep_magnitude,
};

}  // namespace taoism::partition
