#include "partition/strategy.h"

#include <algorithm>

#include "partition/nearest.h"

namespace taoism::partition {
namespace {

// Named in the literature and on the roadmap, so that asking for it gives a true answer.
constexpr std::string_view kPlanned[] = {"teeslice"};

Result<Parameters> resolve(const Strategy& strategy, const StrategySpec& spec) {
  return Parameters::resolve(spec, strategy.parameters);
}

}  // namespace

Result<const Strategy*> find_strategy(std::string_view name) {
  std::vector<std::string> names;
  std::string listed;
  for (const Strategy* strategy : all_strategies()) {
    if (name == strategy->name) return strategy;
    names.emplace_back(strategy->name);
    listed += (listed.empty() ? "" : ", ") + names.back();
  }
  if (std::find(std::begin(kPlanned), std::end(kPlanned), name) != std::end(kPlanned)) {
    return unsupported("strategy '" + std::string(name) + "' is not yet available; there are " +
                       listed);
  }
  const std::string hint = did_you_mean(name, names);
  return invalid_argument("unknown strategy '" + std::string(name) + "'" +
                          (hint.empty() ? "" : ", " + hint) + "; there are " + listed);
}

Result<StrategySpec> canonical(const StrategySpec& spec) {
  TAOISM_ASSIGN_OR_RETURN(const Strategy* strategy, find_strategy(spec.name));
  TAOISM_ASSIGN_OR_RETURN(const Parameters parameters, resolve(*strategy, spec));
  return parameters.spec(spec.name);
}

Result<Annotations> annotate(const ir::Graph& graph, const StrategySpec& spec) {
  TAOISM_ASSIGN_OR_RETURN(const Strategy* strategy, find_strategy(spec.name));
  TAOISM_ASSIGN_OR_RETURN(const Parameters parameters, resolve(*strategy, spec));
  return strategy->annotate(graph, parameters);
}

Result<std::vector<StrategySpec>> sweep(const ir::Graph& graph, const StrategySpec& spec) {
  TAOISM_ASSIGN_OR_RETURN(const Strategy* strategy, find_strategy(spec.name));
  TAOISM_ASSIGN_OR_RETURN(const Parameters parameters, resolve(*strategy, spec));
  const StrategySpec base = parameters.spec(spec.name);
  if (strategy->sweep == nullptr) return std::vector<StrategySpec>{base};
  std::vector<StrategySpec> points = strategy->sweep(graph);
  for (StrategySpec& point : points) {
    point.parameters.insert(base.parameters.begin(), base.parameters.end());  // keeps what is set
  }
  return points;
}

}  // namespace taoism::partition
