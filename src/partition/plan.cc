#include "partition/plan.h"

#include <algorithm>

#include "crypto/hash.h"
#include "partition/placement.h"
#include "partition/segments.h"

namespace taoism::partition {
namespace {

// The text of a transform with its arguments in order, or as it is when it is none.
std::string normal_transform(const std::string& text) {
  const auto spec = StrategySpec::parse(text);
  return spec.ok() ? spec->text() : text;
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

// Every field with its length before it, so that no two lists of fields give the same bytes.
void append_field(std::string& bytes, std::string_view field) {
  bytes += std::to_string(field.size());
  bytes += ':';
  bytes += field;
}

}  // namespace

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
  const auto digest = crypto::sha256(std::as_bytes(std::span(bytes)));
  if (!digest.ok()) return "";
  std::string hex;
  for (std::byte b : *digest) {
    constexpr char kDigits[] = "0123456789abcdef";
    hex += kDigits[std::to_integer<unsigned>(b) >> 4];
    hex += kDigits[std::to_integer<unsigned>(b) & 15];
  }
  return hex;
}

std::vector<std::string> plan_warnings(const Plan& plan) {
  std::vector<std::string> warnings;
  add_warning(warnings, plan.strategy);
  for (const NodeAnnotation& mark : plan.annotations.nodes) add_warning(warnings, mark.transform);
  return warnings;
}

Result<Partition> carry_out(const ir::Graph& source, const Plan& plan) {
  TAOISM_ASSIGN_OR_RETURN(ir::Graph graph, apply(source, plan.annotations));
  TAOISM_ASSIGN_OR_RETURN(ir::PartitionedGraph partitioned, make_segments(std::move(graph)));
  TAOISM_ASSIGN_OR_RETURN(Report report, account(source, partitioned));
  report.strategy = shown_strategy(plan, source);
  report.warnings = plan_warnings(plan);
  return Partition{std::move(partitioned.graph), std::move(report)};
}

}  // namespace taoism::partition
