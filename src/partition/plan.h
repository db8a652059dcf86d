// Plan: a strategy's choice for one model, as a file that a person can edit (plan.json). It holds
// no weights and does not depend on the batch. Host only. Thread-safety: values.
#pragma once

#include <string>
#include <string_view>

#include "partition/accounting.h"
#include "partition/strategy.h"

namespace taoism::partition {

struct Plan {
  std::string model_hash;  // of the model file, as the caller computes it
  std::string strategy;    // canonical text; what the annotations were before anybody edited them
  Annotations annotations;
};

// annotate() with the canonical spelling of `spec`.
Result<Plan> make_plan(const ir::Graph& graph, const StrategySpec& spec, std::string model_hash);

// plan.json, schema 1, one node a line.
std::string write_plan(const Plan& plan, const ir::Graph& graph);
// Checks everything: the schema, that the plan is for this model, every key and placement, that
// every node of `graph` is there exactly once, and that transforms exist. Errors: invalid_argument,
// naming the nearest valid name.
Result<Plan> read_plan(std::string_view json, const ir::Graph& graph, std::string_view model_hash);

// SHA-256, in hexadecimal, of what the plan does: model, placements and transforms; not of the
// wording of its reasons.
std::string plan_hash(const Plan& plan, const ir::Graph& graph);

// What must be printed when this plan is used: the warnings of its strategy and transforms.
std::vector<std::string> plan_warnings(const Plan& plan);

// A plan carried out: what runs, and the account of it.
struct Partition {
  ir::Graph graph;  // rewritten, placed, unfused
  Report report;
};
// apply, make_segments, account, and the plan's warnings, in one step. The caller fuses `graph` and
// segments it again.
Result<Partition> carry_out(const ir::Graph& source, const Plan& plan);

}  // namespace taoism::partition
