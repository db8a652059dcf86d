// `taoism inspect`: what is in a model, and what of it is not supported.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "exit_code.h"
#include "flags.h"
#include "kernels/target.h"
#include "ops/graph_view.h"
#include "package/package_file.h"
#include "partition/blocks.h"
#include "report/table.h"
#include "report/units.h"
#include "runtime/prepare.h"
#include "standard_output.h"
#include "verb.h"

namespace taoism::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  ModelFlags model;
  int64_t batch = 0;  // what the shapes say, or 1
  bool kernels = false;
  bool json = false;
};

struct OpTotal {
  size_t count = 0;
  ops::Cost cost;
};

struct Summary {
  std::map<std::string, OpTotal> by_op;
  ops::Cost total;
  std::vector<std::pair<partition::Block, ops::Cost>> blocks;
  size_t nonfinite = 0;
};

ops::Cost cost_of(const ir::Graph& graph, const ir::Node& node) {
  const ops::OpDef* op = ops::find_op(node.op);
  if (op == nullptr || op->cost == nullptr) return {};
  return op->cost(ops::GraphNodeView(graph, node).view());
}

// Empty where an operator has but one kernel.
std::string kernel_of(const ir::Graph& graph, const ir::Node& node) {
  const ops::OpDef* op = ops::find_op(node.op);
  if (op == nullptr) return {};
  return std::string(ops::chosen_attrs(*op, ops::GraphNodeView(graph, node).view()).s("kernel"));
}

Summary summarize(const ir::Graph& graph) {
  Summary summary;
  auto add = [](ops::Cost& to, const ops::Cost& cost) {
    to.macs += cost.macs;
    to.params += cost.params;
  };
  for (const ir::Node& node : graph.nodes()) {
    OpTotal& total = summary.by_op[node.op];
    ++total.count;
    add(total.cost, cost_of(graph, node));
    add(summary.total, cost_of(graph, node));
  }
  for (partition::Block& block : partition::find_blocks(graph)) {
    ops::Cost cost;
    for (ir::NodeId id : block.nodes) add(cost, cost_of(graph, graph.node(id)));
    summary.blocks.emplace_back(std::move(block), cost);
  }
  summary.nonfinite = onnx::count_nonfinite(graph);
  return summary;
}

Json tensors_json(const ir::Graph& graph, const std::vector<ir::ValueId>& ids) {
  Json list = Json::array();
  for (ir::ValueId id : ids) {
    const ir::Value& value = graph.value(id);
    list.push_back(
        {{"name", value.name},
         {"dtype", ir::dtype_name(value.desc.dtype)},
         {"shape", std::vector<int64_t>(value.desc.shape.begin(), value.desc.shape.end())}});
  }
  return list;
}

void print_json(const onnx::Model& model, const std::string& hash, const ir::Graph& graph,
                const Summary& summary) {
  Json ops = Json::object();
  for (const auto& [op, total] : summary.by_op) {
    ops[op] = {{"count", total.count}, {"macs", total.cost.macs}, {"params", total.cost.params}};
  }
  Json blocks = Json::array();
  for (const auto& [block, cost] : summary.blocks) {
    blocks.push_back({{"kind", partition::block_kind_name(block.kind)},
                      {"first", graph.node(block.nodes.front()).name},
                      {"nodes", block.nodes.size()},
                      {"macs", cost.macs},
                      {"params", cost.params}});
  }
  Json nodes = Json::array();
  for (const ir::Node& node : graph.nodes()) {
    ops::Cost cost = cost_of(graph, node);
    nodes.push_back({{"name", node.name},
                     {"op", node.op},
                     {"outputs", tensors_json(graph, node.outputs)},
                     {"kernel", kernel_of(graph, node)},
                     {"macs", cost.macs},
                     {"params", cost.params}});
  }
  Json json = {{"schema", 1},
               {"model", model.name()},
               {"model_hash", hash},
               {"opset", model.opset()},
               {"ir_version", model.ir_version()},
               {"producer", model.producer()},
               {"batch_is_dynamic", model.batch_is_dynamic()},
               {"inputs", tensors_json(graph, graph.inputs())},
               {"outputs", tensors_json(graph, graph.outputs())},
               {"operators", ops},
               {"blocks", blocks},
               {"kernel_target", kernels::target_name()},
               {"nodes", nodes},
               {"macs", summary.total.macs},
               {"params", summary.total.params},
               {"nonfinite_weights", summary.nonfinite},
               {"unsupported", Json::array()}};
  print(json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void print_text(const onnx::Model& model, const std::string& hash, const ir::Graph& graph,
                const Summary& summary) {
  std::string out = fmt::format(
      "model     {}, opset {}{}\nhash      {}\n", model.name().empty() ? "(no name)" : model.name(),
      model.opset(), model.producer().empty() ? "" : ", written by " + model.producer(), hash);
  for (ir::ValueId id : graph.inputs()) {
    const ir::Value& value = graph.value(id);
    out += fmt::format("input     {}: {} {}{}\n", value.name, ir::dtype_name(value.desc.dtype),
                       value.desc.shape.text(), model.batch_is_dynamic() ? " (dynamic batch)" : "");
  }
  for (ir::ValueId id : graph.outputs()) {
    const ir::Value& value = graph.value(id);
    out += fmt::format("output    {}: {} {}\n", value.name, ir::dtype_name(value.desc.dtype),
                       value.desc.shape.text());
  }
  out += fmt::format("cost      {} MACs an image ({}), {} parameters ({})\n\n", summary.total.macs,
                     report::count_text(summary.total.macs), summary.total.params,
                     report::count_text(summary.total.params));
  report::Table ops({{"operator", report::Table::left}, {"nodes"}, {"MACs"}, {"parameters"}});
  for (const auto& [op, total] : summary.by_op) {
    ops.add_row({op, std::to_string(total.count), std::to_string(total.cost.macs),
                 std::to_string(total.cost.params)});
  }
  out += ops.text() + "\n";
  report::Table blocks({{"block"},
                        {"kind", report::Table::left},
                        {"MACs"},
                        {"parameters"},
                        {"from node", report::Table::left}});
  for (size_t b = 0; b < summary.blocks.size(); ++b) {
    const auto& [block, cost] = summary.blocks[b];
    blocks.add_row({std::to_string(b + 1), partition::block_kind_name(block.kind),
                    std::to_string(cost.macs), std::to_string(cost.params),
                    graph.node(block.nodes.front()).name});
  }
  out += blocks.text();
  print(out);
}

// What the cost rule of the kernels chose for each node that has a choice.
void print_kernels(const ir::Graph& graph) {
  std::string out = fmt::format("\nkernels for {}\n", kernels::target_name());
  report::Table table({{"node", report::Table::left},
                       {"weights", report::Table::left},
                       {"output", report::Table::left},
                       {"MACs"},
                       {"kernel", report::Table::left}});
  for (const ir::Node& node : graph.nodes()) {
    const std::string kernel = kernel_of(graph, node);
    if (kernel.empty()) continue;
    table.add_row({node.name, graph.value(node.inputs[1]).desc.shape.text(),
                   graph.value(node.outputs[0]).desc.shape.text(),
                   report::count_text(cost_of(graph, node).macs), kernel});
  }
  out += table.text();
  print(out);
}

Result<int> report_unsupported(const std::vector<onnx::Unsupported>& list, bool json) {
  if (json) {
    Json items = Json::array();
    for (const onnx::Unsupported& item : list) {
      items.push_back({{"node", item.node},
                       {"op", item.op},
                       {"attribute", item.attribute},
                       {"reason", item.reason}});
    }
    Json document = {{"schema", 1}, {"unsupported", items}};
    print(document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  } else {
    for (const onnx::Unsupported& item : list) print("unsupported  " + item.text() + "\n");
  }
  return kExitUnsupported;
}

// A model whose shapes nothing says: its operators, what is open, and the flags that say it.
Result<int> report_open(const onnx::Model& model, const std::string& hash,
                        const std::vector<onnx::OpenInput>& open, bool json) {
  const std::vector<onnx::OperatorCount> operators = model.operators();
  const bool is_known = std::all_of(operators.begin(), operators.end(),
                                    [](const onnx::OperatorCount& op) { return op.is_known; });
  std::string flags;
  for (const onnx::DeclaredInput& input : model.inputs()) {
    const bool is_open = std::any_of(open.begin(), open.end(), [&](const onnx::OpenInput& o) {
      return o.name == printable(input.name);
    });
    if (is_open) flags += " --input-shape " + printable(input.name) + "=" + shape_hint(input);
  }
  if (json) {
    Json inputs = Json::array(), counts = Json::object(), missing = Json::array();
    for (const onnx::DeclaredInput& input : model.inputs()) {
      inputs.push_back({{"name", input.name},
                        {"dtype", input.dtype},
                        {"shape", input.dims},
                        {"names", input.dim_names}});
    }
    for (const onnx::OperatorCount& op : operators) {
      counts[op.domain.empty() ? op.op : op.domain + "." + op.op] = {{"count", op.nodes}};
      if (op.is_known) continue;
      missing.push_back({{"node", ""},
                         {"op", op.op},
                         {"attribute", ""},
                         {"reason", "operator is not supported"}});
    }
    const Json document = {{"schema", 1},        {"model", model.name()},
                           {"model_hash", hash}, {"opset", model.opset()},
                           {"inputs", inputs},   {"operators", counts},
                           {"open", true},       {"unsupported", missing}};
    print(document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
    return is_known ? kExitOk : kExitUnsupported;
  }
  std::string out = fmt::format(
      "model     {}, opset {}{}\nhash      {}\n", model.name().empty() ? "(no name)" : model.name(),
      model.opset(), model.producer().empty() ? "" : ", written by " + model.producer(), hash);
  for (const onnx::DeclaredInput& input : model.inputs()) {
    out += fmt::format("input     {}: {} {}\n", printable(input.name), input.dtype,
                       input.shape_text());
  }
  out += "open      ";
  for (size_t i = 0; i < open.size(); ++i) out += (i > 0 ? "; " : "") + open[i].text();
  out += "\n          shapes, costs and kernels with: --input FILE, or" + flags + " in numbers\n\n";
  report::Table table({{"operator", report::Table::left}, {"nodes"}, {"", report::Table::left}});
  for (const onnx::OperatorCount& op : operators) {
    table.add_row({op.domain.empty() ? op.op : op.domain + "." + op.op, std::to_string(op.nodes),
                   op.is_known ? "" : "unsupported"});
  }
  out += table.text();
  print(out);
  return is_known ? kExitOk : kExitUnsupported;
}

Result<int> act(const Options& options) {
  if (package::is_package(options.model.path)) {
    return invalid_argument(options.model.path +
                            ": a package does not show its model; `taoism plan` prints what it "
                            "says in clear");
  }
  TAOISM_ASSIGN_OR_RETURN(onnx::Model model, onnx::Model::load(options.model.path));
  if (options.model.inputs.given() == nullptr) {
    TAOISM_ASSIGN_OR_RETURN(const std::vector<onnx::OpenInput> open,
                            model.open_inputs({.batch = options.batch}));
    if (!open.empty()) {
      TAOISM_ASSIGN_OR_RETURN(const std::string hash, model.hash());
      return report_open(model, hash, open, options.json);
    }
  }
  TAOISM_ASSIGN_OR_RETURN(onnx::ImportOptions import,
                          options.model.import_options(model, options.batch));
  TAOISM_ASSIGN_OR_RETURN(std::vector<onnx::Unsupported> missing, model.unsupported(import));
  if (!missing.empty()) return report_unsupported(missing, options.json);
  TAOISM_ASSIGN_OR_RETURN(std::string hash, model.hash());
  TAOISM_ASSIGN_OR_RETURN(ir::Graph graph, model.bind(import));
  Summary summary = summarize(graph);
  if (summary.nonfinite > 0) {
    print_warning(options.model.path + ": " + std::to_string(summary.nonfinite) +
                  " weights are NaN or infinite; the answers will be too");
  }
  (options.json ? print_json : print_text)(model, hash, graph, summary);
  if (options.kernels && !options.json) print_kernels(graph);
  return kExitOk;
}

Action declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  options->model.declare(app);
  app.add_option("--batch", options->batch,
                 "what a dynamic batch becomes; default: what a file says, or 1")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  app.add_flag("--kernels", options->kernels, "show which kernel computes each convolution here");
  app.add_flag("--json", options->json, "print JSON instead of text");
  return [options] { return act(*options); };
}

}  // namespace

extern const Verb kInspectVerb;
const Verb kInspectVerb = {
    "inspect", "a model's operators, shapes, parameters and MACs, and what is unsupported",
    declare};

}  // namespace taoism::cli
