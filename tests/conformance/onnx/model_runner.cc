// Runs ONNX models on tensors from files, under each of the ways of splitting that are asked for,
// in one process: what the Python tests of models use where a process a run would take too long.
//
//   model_runner STRATEGY@TEE[@DEVICE]... < folders     (STRATEGY also random:SEED)
//
// For every line of standard input, a folder with model.onnx and input_0.npy, input_1.npy, ... (in
// the order of the model's inputs), and for every way w it prints one line of four fields with tabs
// between, "FOLDER w STATUS MESSAGE", and writes w_output_0.npy, ... into the folder where STATUS
// is ok.
#include <cstdio>
#include <iostream>
#include <random>
#include <string>
#include <vector>

#include "files/npy.h"
#include "files/output_file.h"
#include "files/tensor_file.h"
#include "partition/plan.h"
#include "runtime/session.h"
#include "runtime/tensors.h"

namespace taoism {
namespace {

struct Way {
  std::string strategy;
  std::string tee;
  std::string device = "cpu";
};

Result<std::vector<files::Tensor>> read_inputs(const std::string& folder) {
  std::vector<files::Tensor> inputs;
  while (true) {
    auto tensor = files::read_tensor(folder + "/input_" + std::to_string(inputs.size()) + ".npy");
    if (tensor.code() == Code::not_found) return inputs;
    if (!tensor.ok()) return tensor.status();
    inputs.push_back(std::move(*tensor));
  }
}

Status write_tensor(const std::string& path, const ir::ConstTensorView& tensor) {
  TAOISM_ASSIGN_OR_RETURN(files::OutputFile file, files::OutputFile::create(path));
  TAOISM_RETURN_IF_ERROR(file.append(files::npy_header(tensor.desc)));
  TAOISM_RETURN_IF_ERROR(file.append({tensor.data, tensor.desc.bytes()}));
  return file.commit();
}

// The first thing that the model cannot be run for, without its node's name; none: ok.
Status refusal(const onnx::Model& model, const onnx::ImportOptions& import) {
  TAOISM_ASSIGN_OR_RETURN(std::vector<onnx::Unsupported> list, model.unsupported(import));
  if (list.empty()) return {};
  list.front().node.clear();
  return unsupported(list.front().text());
}

// "random:SEED": every node on either side by chance; else a strategy.
Result<partition::Plan> plan_of(const ir::Graph& graph, const std::string& strategy) {
  constexpr std::string_view kRandom = "random:";
  const bool random = strategy.starts_with(kRandom);
  TAOISM_ASSIGN_OR_RETURN(const auto spec,
                          partition::StrategySpec::parse(random ? "none" : strategy));
  TAOISM_ASSIGN_OR_RETURN(partition::Plan plan, partition::make_plan(graph, spec, "model"));
  if (!random) return plan;
  std::mt19937 engine(static_cast<unsigned>(std::stoul(strategy.substr(kRandom.size()))));
  for (auto& node : plan.annotations.nodes) {
    node.placement = engine() % 2 == 0 ? ir::Placement::tee : ir::Placement::device;
  }
  return plan;
}

Status run(const onnx::Model& model, const std::vector<files::Tensor>& inputs, const Way& way,
           const std::string& prefix) {
  onnx::ImportOptions import{.batch = 0};
  const auto& declared = model.inputs();
  for (size_t i = 0; i < declared.size() && i < inputs.size(); ++i) {
    import.input_shapes.emplace_back(declared[i].name, inputs[i].desc.shape);
  }
  TAOISM_RETURN_IF_ERROR(refusal(model, import));
  TAOISM_ASSIGN_OR_RETURN(const ir::Graph graph, model.bind(import));
  TAOISM_ASSIGN_OR_RETURN(const partition::Plan plan, plan_of(graph, way.strategy));
  runtime::Machine machine;
  machine.tee = way.tee;
  machine.device = way.device;
  machine.tee_threads = machine.device_threads = 1;
  TAOISM_ASSIGN_OR_RETURN(machine, runtime::resolve(machine));
  TAOISM_ASSIGN_OR_RETURN(const auto prepared, runtime::prepare(graph, plan, machine));
  TAOISM_ASSIGN_OR_RETURN(const auto session, runtime::Session::open(prepared, machine));
  std::vector<ir::ConstTensorView> views;
  views.reserve(inputs.size());
  for (const files::Tensor& input : inputs) views.push_back(input.view());
  const runtime::Tensors outputs(session->outputs());
  runtime::RunProfile profile;
  TAOISM_RETURN_IF_ERROR(session->run(views, outputs.views(), profile));
  for (size_t i = 0; i < outputs.const_views().size(); ++i) {
    TAOISM_RETURN_IF_ERROR(
        write_tensor(prefix + "_output_" + std::to_string(i) + ".npy", outputs.const_views()[i]));
  }
  return {};
}

void report(const std::string& folder, size_t way, const Status& status) {
  const char* word = status.ok()                          ? "ok"
                     : status.code() == Code::unsupported ? "unsupported"
                                                          : "error";
  std::printf("%s\t%zu\t%s\t%s\n", folder.c_str(), way, word, status.message().c_str());
}

void run_folder(const std::string& folder, const std::vector<Way>& ways) {
  const auto model = onnx::Model::load(folder + "/model.onnx");
  auto inputs = read_inputs(folder);
  if (model.ok() && !inputs.ok()) {  // a type that cannot be read: is it the model's?
    if (Status status = refusal(*model, {.batch = 0}); !status.ok()) inputs = status;
  }
  for (size_t w = 0; w < ways.size(); ++w) {
    if (!model.ok() || !inputs.ok()) {
      report(folder, w, model.ok() ? inputs.status() : model.status());
      continue;
    }
    report(folder, w, run(*model, *inputs, ways[w], folder + "/" + std::to_string(w)));
  }
}

}  // namespace
}  // namespace taoism

int main(int argc, char** argv) {
  std::vector<taoism::Way> ways;
  for (int i = 1; i < argc; ++i) {
    const std::string text = argv[i];
    const size_t at = text.find('@');
    if (at == std::string::npos) {
      std::fprintf(stderr, "model_runner: '%s' is not STRATEGY@TEE[@DEVICE]\n", argv[i]);
      return 2;
    }
    const size_t end = text.find('@', at + 1);
    taoism::Way& way = ways.emplace_back();
    way.strategy = text.substr(0, at);
    way.tee = text.substr(at + 1, end == std::string::npos ? end : end - at - 1);
    if (end != std::string::npos) way.device = text.substr(end + 1);
  }
  for (std::string folder; std::getline(std::cin, folder);) taoism::run_folder(folder, ways);
  return 0;
}
