#include "partition/plan.h"

#include <algorithm>

#include "base/text.h"
#include "crypto/hash.h"
#include "partition/placement.h"
#include "partition/segments.h"

namespace taoism::partition {
namespace {

// The text of a transform with its arguments in order and without secrets, or as it is when it is
// none.
std::string normal_transform(const std::string& text) {
  auto spec = StrategySpec::parse(text);
  if (!spec.ok()) return text;
  if (const auto strategy = find_strategy(spec->name); strategy.ok()) {
    for (const ParameterSpec& parameter : (*strategy)->transform_parameters) {
      if (parameter.is_secret) spec->parameters.erase(parameter.name);
    }
  }
  return spec->text();
}

bool same_marks(const Annotations& a, const Annotations& b) {
  return std::equal(a.nodes.begin(), a.nodes.end(), b.nodes.begin(), b.nodes.end(),
                    [](const NodeAnnotation& x, const NodeAnnotation& y) {
                      return x.placement == y.placement &&
                             normal_transform(x.transform) == normal_transform(y.transform);
                    });
}

// The strategy as the report names it: a plan that somebody edited is not the strategy any more.
std::string shown_strategy(const Plan& plan, const ir::Graph& graph) {
  const auto spec = StrategySpec::parse(plan.strategy);
  if (!spec.ok()) return plan.strategy;
  const auto original = annotate(graph, *spec);
  if (!original.ok() || same_marks(*original, plan.annotations)) return plan.strategy;
  return plan.strategy + " (edited)";
}

void add_warning(std::vector<std::string>& warnings, const std::string& spec_text) {
  const auto spec = StrategySpec::parse(spec_text);
  if (!spec.ok()) return;
  const auto strategy = find_strategy(spec->name);
  if (!strategy.ok() || (*strategy)->warning == nullptr) return;
  if (std::find(warnings.begin(), warnings.end(), (*strategy)->warning) == warnings.end()) {
    warnings.emplace_back((*strategy)->warning);
  }
}

// In place of each output the number of its largest class, found where the output is made.
Status reveal_labels(ir::Graph& graph) {
  std::vector<ir::ValueId> labels;
  for (const ir::ValueId output : graph.outputs()) {
    const ir::Value value = graph.value(output);
    const ir::DType type = value.desc.dtype;
    const bool is_narrow = type == ir::DType::f16 || type == ir::DType::bf16;
    if ((type != ir::DType::f32 && !is_narrow) || value.desc.shape.rank() != 2) {
      return unsupported("a label is found in an output of floats, [rows, classes]; '" +
                         value.name + "' is " + ir::dtype_name(type) + " " +
                         value.desc.shape.text() + ": ask for logits");
    }
    const ir::NodeId maker = value.producer;
    const ir::Placement placement =
        maker == ir::kNoNode ? ir::Placement::device : graph.node(maker).placement;
    const std::string reason = "the answer is a label";
    ir::ValueId logits = output;
    if (is_narrow) {
      const std::string name = value.name + ":float32";
      logits = graph.add_value(name, {ir::DType::f32, value.desc.shape});
      ir::Attrs to;
      to.set("to", std::string("float32"));
      graph.add_node({"Cast", name, {output}, {logits}, std::move(to), placement, reason, ""});
    }
    ir::Attrs attrs;
    attrs.set("axis", int64_t{1});
    attrs.set("keepdims", int64_t{0});
    const ir::ValueId label =
        graph.add_value(value.name + ":label", {ir::DType::i64, {value.desc.shape[0]}});
    graph.add_node({"ArgMax",
                    value.name + ":label",
                    {logits},
                    {label},
                    std::move(attrs),
                    placement,
                    reason,
                    ""});
    labels.push_back(label);
  }
  graph.set_outputs(std::move(labels));
  return graph.tidy();
}

// Every field with its length before it, so that no two lists of fields give the same bytes.
void append_field(std::string& bytes, std::string_view field) {
  bytes += std::to_string(field.size());
  bytes += ':';
  bytes += field;
}

}  // namespace

const char* answer_name(Answer answer) { return answer == Answer::label ? "label" : "logits"; }

Result<Answer> parse_answer(std::string_view text) {
  for (const Answer answer : {Answer::logits, Answer::label}) {
    if (text == answer_name(answer)) return answer;
  }
  return invalid_argument("the answer '" + std::string(text.substr(0, 64)) +
                          "' is not known: give logits or label");
}

Result<Plan> make_plan(const ir::Graph& graph, const StrategySpec& spec, std::string model_hash) {
  Plan plan;
  plan.model_hash = std::move(model_hash);
  TAOISM_ASSIGN_OR_RETURN(const StrategySpec full, canonical(spec));
  plan.strategy = full.text();
  TAOISM_ASSIGN_OR_RETURN(plan.annotations, annotate(graph, full));
  return plan;
}

std::string plan_hash(const Plan& plan, const ir::Graph& graph) {
  TAOISM_CHECK(plan.annotations.nodes.size() == graph.node_count());
  std::vector<std::string> nodes;
  for (size_t n = 0; n < graph.node_count(); ++n) {
    const NodeAnnotation& mark = plan.annotations.nodes[n];
    std::string node;
    append_field(node, graph.node(static_cast<ir::NodeId>(n)).name);
    append_field(node, ir::placement_name(mark.placement));
    append_field(node, normal_transform(mark.transform));
    nodes.push_back(std::move(node));
  }
  std::sort(nodes.begin(), nodes.end());
  std::string bytes = "taoism plan 1\n";
  append_field(bytes, plan.model_hash);
  for (const std::string& node : nodes) append_field(bytes, node);
  if (plan.answer != Answer::logits) append_field(bytes, answer_name(plan.answer));
  const auto digest = crypto::sha256(std::as_bytes(std::span(bytes)));
  if (!digest.ok()) return "";
  return hex(*digest);
}

std::vector<std::string> plan_warnings(const Plan& plan) {
  std::vector<std::string> warnings;
  add_warning(warnings, plan.strategy);
  for (const NodeAnnotation& mark : plan.annotations.nodes) add_warning(warnings, mark.transform);
  return warnings;
}

Result<Partition> carry_out(const ir::Graph& source, const Plan& plan) {
  TAOISM_ASSIGN_OR_RETURN(ir::Graph graph, apply(source, plan.annotations));
  if (plan.answer == Answer::label) TAOISM_RETURN_IF_ERROR(reveal_labels(graph));
  TAOISM_ASSIGN_OR_RETURN(ir::PartitionedGraph partitioned, make_segments(std::move(graph)));
  TAOISM_ASSIGN_OR_RETURN(Report report, account(source, partitioned));
  report.strategy = shown_strategy(plan, source);
  std::vector<std::string> warnings = plan_warnings(plan);
  warnings.insert(warnings.end(), report.warnings.begin(), report.warnings.end());
  report.warnings = std::move(warnings);
  return Partition{std::move(partitioned.graph), std::move(report)};
}

}  // namespace taoism::partition
