// Models, packages and what can be known of them before anything runs.
#include <nanobind/stl/map.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "model.h"
#include "package/irreplaceable.h"
#include "package/key_file.h"
#include "package/seal.h"
#include "package/seal_file.h"
#include "partition/explain.h"
#include "partition/plan.h"
#include "status.h"

namespace nb = nanobind;

namespace taoism::python {

ModelHandle ModelHandle::load(const std::string& path, const InputShapes& shapes) {
  ModelHandle handle{take(onnx::Model::load(path)), {}, {}};
  handle.hash = take(handle.model.hash());
  for (const auto& [name, dims] : shapes) {
    if (dims.size() > ir::kMaxRank)
      check(invalid_argument("input '" + name + "' has rank " + std::to_string(dims.size())));
    handle.shapes.emplace_back(name, ir::Shape(dims));
  }
  // Beside inputs with an open batch, one of a fixed shape is no batch of another size.
  for (const onnx::DeclaredInput& input : handle.model.inputs()) {
    const bool is_fixed =
        input.has_shape && input.dims.size() <= ir::kMaxRank &&
        std::all_of(input.dims.begin(), input.dims.end(), [](int64_t dim) { return dim >= 0; });
    if (is_fixed && handle.model.batch_is_dynamic() && !shapes.contains(input.name)) {
      handle.shapes.emplace_back(input.name, ir::Shape(input.dims));
    }
  }
  return handle;
}

ir::Graph ModelHandle::bind(int64_t batch) const {
  return take(model.bind({.batch = batch, .input_shapes = shapes}));
}

ir::Graph ModelHandle::bind_shapes(const InputShapes& given) const {
  onnx::ImportOptions options;
  for (const auto& [name, shape] : shapes) {
    if (!given.contains(name)) options.input_shapes.emplace_back(name, shape);
  }
  for (const auto& [name, dims] : given) options.input_shapes.emplace_back(name, ir::Shape(dims));
  return take(model.bind(options));
}

partition::Plan ModelHandle::plan(const std::string& json, const ir::Graph& graph) const {
  return take(partition::read_plan(json, graph, hash));
}

std::vector<Spec> specs_of(const std::vector<runtime::TensorSpec>& tensors) {
  std::vector<Spec> specs;
  specs.reserve(tensors.size());
  for (const runtime::TensorSpec& tensor : tensors) {
    specs.emplace_back(tensor.name, ir::dtype_name(tensor.desc.dtype),
                       std::vector<int64_t>(tensor.desc.shape.begin(), tensor.desc.shape.end()));
  }
  return specs;
}

namespace {

std::vector<Spec> declared_inputs(const ModelHandle& self) {
  std::vector<Spec> specs;
  specs.reserve(self.model.inputs().size());
  for (const onnx::DeclaredInput& input : self.model.inputs()) {
    specs.emplace_back(input.name, input.dtype, input.dims);
  }
  return specs;
}

// By input, what the file calls its first dimension where that is open; "" of others.
std::vector<std::string> row_names(const ModelHandle& self) {
  std::vector<std::string> names;
  for (const onnx::DeclaredInput& input : self.model.inputs()) {
    const bool is_open = input.has_shape && !input.dims.empty() && input.dims[0] < 0;
    names.push_back(is_open ? input.dim_names[0] : "");
  }
  return names;
}

// By input, what `bench` must be told of shapes.
InputShapes given_shapes(const ModelHandle& self) {
  InputShapes shapes;
  for (const auto& [name, shape] : self.shapes) {
    shapes.emplace(name, std::vector<int64_t>(shape.begin(), shape.end()));
  }
  return shapes;
}

// What a batch makes of the inputs and outputs.
std::pair<std::vector<Spec>, std::vector<Spec>> bound(const ModelHandle& self, int64_t batch) {
  const ir::Graph graph = self.bind(batch);
  return {specs_of(runtime::tensor_specs(graph, graph.inputs())),
          specs_of(runtime::tensor_specs(graph, graph.outputs()))};
}

// The inputs that have dimensions whose size nothing says, a sentence each.
std::vector<std::string> open_inputs(const ModelHandle& self) {
  std::vector<std::string> texts;
  for (const onnx::OpenInput& input : take(self.model.open_inputs({.input_shapes = self.shapes}))) {
    texts.push_back(input.text());
  }
  return texts;
}

std::vector<std::pair<std::string, std::string>> nodes(const ModelHandle& self, int64_t batch) {
  const ir::Graph graph = self.bind(batch);
  std::vector<std::pair<std::string, std::string>> names;
  for (const ir::Node& node : graph.nodes()) names.emplace_back(node.name, node.op);
  return names;
}

std::string make_plan(const ModelHandle& self, const std::string& strategy, int64_t batch,
                      const std::string& answer) {
  const ir::Graph graph = self.bind(batch);
  const auto spec = take(partition::StrategySpec::parse(strategy));
  partition::Plan plan = take(partition::make_plan(graph, spec, self.hash));
  plan.answer = take(partition::parse_answer(answer));
  return partition::write_plan(plan, graph);
}

// The report as JSON and as text.
std::pair<std::string, std::string> report(const ModelHandle& self, const std::string& plan_json,
                                           const runtime::Machine& machine, int64_t batch) {
  const ir::Graph graph = self.bind(batch);
  const runtime::Machine resolved = take(runtime::resolve(machine));
  const runtime::Prepared prepared =
      take(runtime::prepare(graph, self.plan(plan_json, graph), resolved));
  nlohmann::json json = partition::report_json(prepared.report);
  json["plan_hash"] = prepared.plan_hash;
  return {json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
          partition::report_text(prepared.report)};
}

// What of a package is known without its key: JSON and text.
std::pair<std::string, std::string> package_summary(const PackageHandle& self, int64_t batch) {
  const package::BatchEntry* entry = take(self.package->entry_of(batch));
  return {entry->summary, entry->summary_text};
}

std::vector<int64_t> package_batches(const PackageHandle& self) {
  std::vector<int64_t> batches;
  for (const package::BatchEntry& entry : self.package->manifest().batches) {
    batches.push_back(entry.batch);
  }
  return batches;
}

nb::dict seal(const ModelHandle& self, const std::string& plan_json, const std::string& path,
              const std::string& key, const std::vector<int64_t>& batches, uint64_t version,
              bool retire_older, bool allow_exposed, const std::string& owner) {
  package::SealedFile sealed;
  {
    const nb::gil_scoped_release released;
    if (batches.empty()) check(invalid_argument("seal: name at least one batch size"));
    const ir::Graph graph = self.bind(batches.front());
    const partition::Plan plan = self.plan(plan_json, graph);
    sealed = take(package::seal_file(
        self.model, plan,
        {.path = path,
         .key_path = key,
         .owner_path = owner,
         .seal = {.import = {.batch = batches.front(), .input_shapes = self.shapes},
                  .batches = batches,
                  .version = version,
                  .allow_exposed = allow_exposed},
         .retire_older = retire_older}));
  }
  nb::dict result;
  result["path"] = path;
  result["key_path"] = sealed.key_path;
  result["key_is_new"] = sealed.key_is_new;
  result["owner_path"] = sealed.owner_path;
  result["version"] = sealed.version;
  result["batches"] = sealed.report.batches;
  result["file_bytes"] = sealed.report.file_bytes;
  result["sealed_weight_bytes"] = sealed.report.sealed_weight_bytes;
  result["public_weight_bytes"] = sealed.report.public_weight_bytes;
  result["warnings"] = sealed.report.warnings;
  return result;
}

}  // namespace

void bind_model(nb::module_& module) {
  using Released = nb::call_guard<nb::gil_scoped_release>;
  nb::class_<runtime::Machine>(module, "Machine")
      .def(nb::init<>())
      .def_rw("tee", &runtime::Machine::tee)
      .def_rw("device", &runtime::Machine::device)
      .def_rw("tee_memory_bytes", &runtime::Machine::tee_memory_bytes)
      .def_rw("tee_threads", &runtime::Machine::tee_threads)
      .def_rw("device_threads", &runtime::Machine::device_threads)
      .def_rw("worker_path", &runtime::Machine::worker_path)
      .def_rw("key_file", &runtime::Machine::key_file);

  nb::class_<ModelHandle>(module, "Model")
      .def_static("load", &ModelHandle::load, nb::arg("path"), nb::arg("shapes"), Released())
      .def_ro("hash", &ModelHandle::hash)
      .def_prop_ro("name", [](const ModelHandle& self) { return self.model.name(); })
      .def_prop_ro("inputs", &declared_inputs)
      .def_prop_ro("shapes", &given_shapes)
      .def_prop_ro("row_names", &row_names)
      .def_prop_ro("batch_is_dynamic",
                   [](const ModelHandle& self) { return self.model.batch_is_dynamic(); })
      .def_prop_ro("open_inputs", &open_inputs)
      .def("bound", &bound, nb::arg("batch"), Released())
      .def("nodes", &nodes, nb::arg("batch"), Released())
      .def("make_plan", &make_plan, nb::arg("strategy"), nb::arg("batch"), nb::arg("answer"),
           Released())
      .def("report", &report, nb::arg("plan_json"), nb::arg("machine"), nb::arg("batch"),
           Released())
      .def("seal", &seal, nb::arg("plan_json"), nb::arg("path"), nb::arg("key"), nb::arg("batches"),
           nb::arg("version"), nb::arg("retire_older"), nb::arg("allow_exposed"), nb::arg("owner"));

  nb::class_<PackageHandle>(module, "Package")
      .def_static(
          "open",
          [](const std::string& path, const std::string& owner) {
            return PackageHandle{take(package::Package::open_owned(path, owner))};
          },
          nb::arg("path"), nb::arg("owner"), Released())
      .def_prop_ro("strategy", [](const PackageHandle& self) { return self.package->strategy(); })
      .def_prop_ro("inputs",
                   [](const PackageHandle& self) { return specs_of(self.package->inputs()); })
      .def_prop_ro("outputs",
                   [](const PackageHandle& self) { return specs_of(self.package->outputs()); })
      .def_prop_ro("batches", &package_batches)
      .def_prop_ro("input_rows",
                   [](const PackageHandle& self) { return self.package->rows().inputs; })
      .def_prop_ro("output_rows",
                   [](const PackageHandle& self) { return self.package->rows().outputs; })
      .def_prop_ro(
          "rows_mixed",
          [](const PackageHandle& self) { return self.package->rows().independent.message(); })
      .def(
          "no_batch_for",
          [](const PackageHandle& self, size_t rows) {
            return self.package->no_batch_for(rows).message();
          },
          nb::arg("rows"))
      .def("summary", &package_summary, nb::arg("batch"));

  module.def("irreplaceable", &package::irreplaceable, nb::arg("path"), Released());
  module.def("is_package", &package::is_package, nb::arg("path"), Released());
  module.def("default_key_path", &package::default_key_path, nb::arg("path"));
}

}  // namespace taoism::python
