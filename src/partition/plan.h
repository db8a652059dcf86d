// Plan: a strategy's choice for one model, as a file that a person can edit (plan.json). It holds
// no weights and does not depend on the batch. Host only. Thread-safety: values.
#pragma once

#include <string>
#include <string_view>

#include "partition/accounting.h"
#include "partition/strategy.h"

namespace taoism::partition {

// What the caller is given of each of the model's outputs.
enum class Answer : uint8_t {
  logits,  // all of it
  label,   // the number of the largest class of each row
};
const char* answer_name(Answer answer);
// "logits" or "label". Errors: invalid_argument.
Result<Answer> parse_answer(std::string_view text);

struct Plan {
  std::string model_hash;  // of the model file, as the caller computes it
  std::string strategy;    // canonical text; what the annotations were before anybody edited them
  Annotations annotations;
  Answer answer = Answer::logits;
};

// annotate() with the canonical spelling of `spec`.
Result<Plan> make_plan(const ir::Graph& graph, const StrategySpec& spec, std::string model_hash);

// plan.json, schema 1, one node a line.
std::string write_plan(const Plan& plan, const ir::Graph& graph);
// Checks everything: the schema, that the plan is for this model, every key and placement, that
// every node of `graph` is there exactly once, and that transforms exist. Errors: invalid_argument,
// naming the nearest valid name.
Result<Plan> read_plan(std::string_view json, const ir::Graph& graph, std::string_view model_hash);

// SHA-256, in hexadecimal, of what the plan does: model, placements, transforms and answer; not of
// the wording of its reasons, nor of a transform's secrets: anybody may see it.
std::string plan_hash(const Plan& plan, const ir::Graph& graph);

// What must be printed when this plan is used: the warnings of its strategy and transforms.
std::vector<std::string> plan_warnings(const Plan& plan);

// A plan carried out: what runs, and the account of it.
struct Partition {
  ir::Graph graph;  // rewritten, placed, unfused
  Report report;
};
// apply, the answer, make_segments, account, and the plan's warnings, in one step. A label is found
// where the output is made. Errors: those, and unsupported for a label of an output that is not
// [rows, classes]. The caller fuses `graph` and
// segments it again.
Result<Partition> carry_out(const ir::Graph& source, const Plan& plan);

}  // namespace taoism::partition
