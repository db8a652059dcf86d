// Strategy: how a model is split. A strategy marks every node of the source graph with a placement
// and, where what it offloads is transformed, with the name of its rewrite. Executors know nothing
// of strategies. Each is one file in strategies/; CMake derives the table from the folder. Host
// only. Thread-safety: constants; functions without shared state.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "partition/parameters.h"

namespace taoism::partition {

struct NodeAnnotation {
  ir::Placement placement = ir::Placement::automatic;
  std::string why;        // one phrase for the reader
  std::string transform;  // empty, or a rewrite of an offloaded node: "magnitude:p=0.01"
};

// Marks for every node of one source graph, by node id.
struct Annotations {
  std::vector<NodeAnnotation> nodes;
};

struct Strategy {
  const char* name;
  const char* summary;  // one line for --help
  std::span<const ParameterSpec> parameters;
  // What must be printed whenever it is used (it offloads unprotected weights, or relies on a mask
  // that is broken), or null.
  const char* warning = nullptr;
  // Errors: invalid_argument, for a parameter that does not fit this graph.
  Result<Annotations> (*annotate)(const ir::Graph& graph, const Parameters& parameters);

  // The rewrite behind NodeAnnotation::transform, or null, and what its text may set. It replaces
  // `node` by nodes with placements, named after it by `origin`; ids of other nodes do not change.
  // The caller tidies the graph.
  Status (*rewrite)(ir::Graph& graph, ir::NodeId node, const Parameters& arguments) = nullptr;
  std::span<const ParameterSpec> transform_parameters;

  // Every point of this strategy on this graph, in order of its main parameter; null: its defaults
  // are the only one.
  std::vector<StrategySpec> (*sweep)(const ir::Graph& graph) = nullptr;
};

// All strategies, sorted by name.
std::span<const Strategy* const> all_strategies();

// Errors: invalid_argument listing the known names; unsupported for one that is planned.
Result<const Strategy*> find_strategy(std::string_view name);

// `spec` with every default written out. Errors: as find_strategy, and Parameters::resolve.
Result<StrategySpec> canonical(const StrategySpec& spec);
// Marks every node of `graph`, which must be sorted topologically (as import and tidy() leave it).
Result<Annotations> annotate(const ir::Graph& graph, const StrategySpec& spec);
// Every point of the strategy that `spec` names; its parameters other than the swept one are kept.
Result<std::vector<StrategySpec>> sweep(const ir::Graph& graph, const StrategySpec& spec);

}  // namespace taoism::partition
