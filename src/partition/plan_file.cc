// plan.json, version 1: reading and writing.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "partition/nearest.h"
#include "partition/plan.h"

namespace taoism::partition {
namespace {

using nlohmann::json;

constexpr int64_t kSchema = 1;
constexpr size_t kMaxFileBytes = size_t{64} << 20;
constexpr std::string_view kTopKeys[] = {"schema",   "taoism", "model_hash",
                                         "strategy", "answer", "nodes"};
constexpr std::string_view kNodeKeys[] = {"name", "op", "placement", "why", "transform"};
// A plan that was written by hand and is no strategy's.
constexpr const char* kCustom = "custom";

std::string quoted(const std::string& text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string hint(std::string_view name, std::span<const std::string> known) {
  const std::string text = did_you_mean(name, known);
  return text.empty() ? "" : ", " + text;
}

Status check_keys(const json& object, std::span<const std::string_view> allowed,
                  const std::string& where) {
  const std::vector<std::string> known(allowed.begin(), allowed.end());
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    return invalid_argument(fmt::format("{}: unknown key '{}'{}; known are {}", where, shown(key),
                                        hint(key, known), fmt::join(known, ", ")));
  }
  return {};
}

// The text under `key`. Errors: a missing key without a fallback, or another type.
Result<std::string> text_of(const json& object, const char* key, const std::string& where,
                            std::optional<std::string> fallback = std::nullopt) {
  const auto it = object.find(key);
  if (it == object.end()) {
    if (fallback) return *fallback;
    return invalid_argument(fmt::format("{}: the key '{}' is missing", where, key));
  }
  if (!it->is_string()) return invalid_argument(fmt::format("{}: '{}' must be a text", where, key));
  return it->get<std::string>();
}

Result<ir::Placement> placement_of(const std::string& text, const std::string& where) {
  std::vector<std::string> names;
  for (auto placement : {ir::Placement::tee, ir::Placement::device, ir::Placement::automatic}) {
    names.emplace_back(ir::placement_name(placement));
    if (text == names.back()) return placement;
  }
  return invalid_argument(fmt::format("{}: unknown placement '{}'{}; known are {}", where,
                                      shown(text), hint(text, names), fmt::join(names, ", ")));
}

Status check_transform(const std::string& text, ir::Placement placement, const std::string& where) {
  if (text.empty()) return {};
  const auto fail = [&](const Status& status) { return status.annotate(where + ": transform"); };
  const auto spec = StrategySpec::parse(text);
  if (!spec.ok()) return fail(spec.status());
  const auto strategy = find_strategy(spec->name);
  if (!strategy.ok()) return fail(strategy.status());
  if ((*strategy)->rewrite == nullptr) {
    return fail(invalid_argument("'" + spec->name + "' only places nodes and transforms none"));
  }
  const auto values = Parameters::resolve(*spec, (*strategy)->transform_parameters);
  if (!values.ok()) return fail(values.status());
  if (placement != ir::Placement::device) {
    return invalid_argument(where +
                            ": a transform is for a node placed on the 'device'; this one is '" +
                            ir::placement_name(placement) + "': remove the transform");
  }
  return {};
}

class Reader {
 public:
  explicit Reader(const ir::Graph& graph) : graph_(graph), seen_(graph.node_count(), false) {
    for (size_t n = 0; n < graph.node_count(); ++n) {
      names_.push_back(graph.node(static_cast<ir::NodeId>(n)).name);
      index_.emplace(names_.back(), n);
    }
    plan_.annotations.nodes.resize(graph.node_count());
  }

  Result<Plan> run(const json& root, std::string_view model_hash) {
    if (!root.is_object()) return invalid_argument("plan: not a JSON object");
    // First of all, so that a later version's file is not met with "unknown key".
    const auto schema = root.find("schema");
    if (schema == root.end()) return invalid_argument("plan: the key 'schema' is missing");
    if (!schema->is_number_integer() || *schema != kSchema) {
      return invalid_argument(fmt::format(
          "plan: schema {} is not known: this program reads schema {}",
          schema->dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 32), kSchema));
    }
    TAOISM_RETURN_IF_ERROR(check_keys(root, kTopKeys, "plan"));
    TAOISM_RETURN_IF_ERROR(text_of(root, "taoism", "plan", "").status());
    TAOISM_ASSIGN_OR_RETURN(plan_.model_hash, text_of(root, "model_hash", "plan"));
    if (plan_.model_hash != model_hash) {
      return invalid_argument(
          fmt::format("plan: made for another model (hash {:.12}, this one is {:.12}): "
                      "make a plan for this model",
                      shown(plan_.model_hash), shown(model_hash)));
    }
    TAOISM_RETURN_IF_ERROR(read_strategy(root));
    TAOISM_ASSIGN_OR_RETURN(const std::string answer,
                            text_of(root, "answer", "plan", answer_name(Answer::logits)));
    const Result<Answer> parsed = parse_answer(shown(answer));
    if (!parsed.ok()) return parsed.status().annotate("plan");
    plan_.answer = *parsed;
    const auto nodes = root.find("nodes");
    if (nodes == root.end() || !nodes->is_array()) {
      return invalid_argument("plan: the key 'nodes' must hold a list");
    }
    for (size_t i = 0; i < nodes->size(); ++i) TAOISM_RETURN_IF_ERROR(read_node((*nodes)[i], i));
    for (size_t n = 0; n < seen_.size(); ++n) {
      if (!seen_[n]) return invalid_argument("plan: node '" + shown(names_[n]) + "' is missing");
    }
    return std::move(plan_);
  }

 private:
  Status read_strategy(const json& root) {
    TAOISM_ASSIGN_OR_RETURN(const std::string text, text_of(root, "strategy", "plan", kCustom));
    plan_.strategy = text;
    if (text == kCustom) return {};
    const auto spec = StrategySpec::parse(text);
    if (!spec.ok()) return spec.status().annotate("plan");
    const auto full = canonical(*spec);
    if (!full.ok()) return full.status().annotate("plan");
    plan_.strategy = full->text();
    return {};
  }

  Status read_node(const json& entry, size_t i) {
    const std::string place = fmt::format("plan: nodes[{}]", i);
    if (!entry.is_object()) return invalid_argument(place + ": not an object");
    TAOISM_ASSIGN_OR_RETURN(const std::string name, text_of(entry, "name", place));
    const auto found = index_.find(name);
    if (found == index_.end()) {
      return invalid_argument(place + ": this model has no node '" + shown(name) + "'" +
                              hint(name, names_));
    }
    const size_t n = found->second;
    const std::string where = "plan: node '" + shown(name) + "'";
    TAOISM_RETURN_IF_ERROR(check_keys(entry, kNodeKeys, where));
    if (seen_[n]) return invalid_argument(where + " is there twice");
    seen_[n] = true;
    const std::string& op = graph_.node(static_cast<ir::NodeId>(n)).op;
    TAOISM_ASSIGN_OR_RETURN(const std::string told_op, text_of(entry, "op", where, op));
    if (told_op != op) {
      return invalid_argument(where + ": is a " + op + " in this model, not a " + shown(told_op));
    }
    NodeAnnotation& mark = plan_.annotations.nodes[n];
    TAOISM_ASSIGN_OR_RETURN(const std::string placement, text_of(entry, "placement", where));
    TAOISM_ASSIGN_OR_RETURN(mark.placement, placement_of(placement, where));
    TAOISM_ASSIGN_OR_RETURN(mark.why, text_of(entry, "why", where, ""));
    TAOISM_ASSIGN_OR_RETURN(mark.transform, text_of(entry, "transform", where, ""));
    return check_transform(mark.transform, mark.placement, where);
  }

  const ir::Graph& graph_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, size_t> index_;
  std::vector<bool> seen_;
  Plan plan_;
};

// A parser that also refuses a key that is there twice, of which the library would keep the last.
Result<json> parse_strictly(std::string_view text) {
  if (text.size() > kMaxFileBytes) {
    return invalid_argument(fmt::format("plan: larger than {} MiB", kMaxFileBytes >> 20));
  }
  constexpr int kMaxDepth = 16;
  std::vector<std::vector<std::string>> keys;
  std::string twice;
  bool too_deep = false;
  const json::parser_callback_t watch = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > kMaxDepth) too_deep = true;
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end && !keys.empty()) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.empty()) {
      auto& here = keys.back();
      // An object of ours has a handful of keys; a longer one is refused for unknown keys later on.
      if (here.size() < 32) {
        const auto key = parsed.get<std::string>();
        if (std::find(here.begin(), here.end(), key) != here.end()) twice = key;
        here.push_back(key);
      }
    }
    return !too_deep;
  };
  json root = json::parse(text.begin(), text.end(), watch, /*allow_exceptions=*/false);
  if (too_deep) return invalid_argument("plan: nested too deeply");
  if (root.is_discarded()) return invalid_argument("plan: not valid JSON");
  if (!twice.empty())
    return invalid_argument("plan: the key '" + shown(twice) + "' is there twice");
  return root;
}

}  // namespace

std::string write_plan(const Plan& plan, const ir::Graph& graph) {
  TAOISM_CHECK(plan.annotations.nodes.size() == graph.node_count());
  std::string out = fmt::format(
      "{{\n  \"schema\": {},\n  \"taoism\": {},\n  \"model_hash\": {},\n  \"strategy\": {},\n  "
      "\"answer\": {},\n  \"nodes\": [",
      kSchema, quoted(TAOISM_VERSION), quoted(plan.model_hash), quoted(plan.strategy),
      quoted(answer_name(plan.answer)));
  for (size_t n = 0; n < graph.node_count(); ++n) {
    const ir::Node& node = graph.node(static_cast<ir::NodeId>(n));
    const NodeAnnotation& mark = plan.annotations.nodes[n];
    out += fmt::format("{}\n    {{\"name\": {}, \"op\": {}, \"placement\": {}, \"why\": {}",
                       n == 0 ? "" : ",", quoted(node.name), quoted(node.op),
                       quoted(ir::placement_name(mark.placement)), quoted(mark.why));
    if (!mark.transform.empty()) out += ", \"transform\": " + quoted(mark.transform);
    out += "}";
  }
  return out + "\n  ]\n}\n";
}

Result<Plan> read_plan(std::string_view text, const ir::Graph& graph, std::string_view model_hash) {
  TAOISM_ASSIGN_OR_RETURN(const json root, parse_strictly(text));
  return Reader(graph).run(root, model_hash);
}

}  // namespace taoism::partition
