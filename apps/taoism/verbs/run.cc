// `taoism run`: inference on the rows of a file, in batches.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>

#include "exit_code.h"
#include "files/npy.h"
#include "files/output_file.h"
#include "files/tensor_file.h"
#include "flags.h"
#include "package/package.h"
#include "progress.h"
#include "report/units.h"
#include "runtime/batch_run.h"
#include "standard_output.h"
#include "verb.h"

namespace taoism::cli {
namespace {

struct Options {
  ModelFlags model;
  SplitFlags split;
  KeyFlag key;
  MachineFlags machine;
  std::vector<std::string> outputs;
  std::string labels;
  int64_t batch = 64;
  CLI::Option* batch_flag = nullptr;
};

// All inputs of the model, or the first that has no file. Errors: invalid_argument.
Result<std::vector<files::Tensor>> all_of(std::span<const onnx::DeclaredInput> inputs,
                                          InputTensors tensors) {
  std::vector<files::Tensor> all;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!tensors[i]) {
      return invalid_argument("no --input for the model's input '" + inputs[i].name +
                              "'; give --input " + (inputs.size() > 1 ? inputs[i].name + "=" : "") +
                              "x.npy");
    }
    all.push_back(std::move(*tensors[i]));
  }
  return all;
}

// A package's inputs as those of a file: with an open batch.
std::vector<onnx::DeclaredInput> declared_inputs(const package::Package& package) {
  std::vector<onnx::DeclaredInput> declared;
  for (size_t i = 0; i < package.inputs().size(); ++i) {
    const runtime::TensorSpec& spec = package.inputs()[i];
    const ir::Shape& shape = spec.desc.shape;
    onnx::DeclaredInput& input = declared.emplace_back();
    input.name = spec.name;
    input.dtype = ir::dtype_name(spec.desc.dtype);
    input.has_shape = true;
    input.dims.assign(shape.begin(), shape.end());
    input.dim_names.assign(shape.rank(), "");
    if (package.rows().inputs[i] < 0) continue;
    input.dims[0] = ir::Shape::kDynamic;
    input.dim_names[0] = "N";
  }
  return declared;
}

struct OutputPlan {
  size_t index;  // of the model's outputs
  files::OutputFile file;
};

Result<std::vector<OutputPlan>> open_outputs(const std::vector<std::string>& texts,
                                             const std::vector<std::string>& names) {
  TAOISM_ASSIGN_OR_RETURN(std::vector<NamedPath> paths, match_paths(texts, names, "--output"));
  std::vector<OutputPlan> outputs;
  for (const NamedPath& path : paths) {
    TAOISM_ASSIGN_OR_RETURN(files::OutputFile file, files::OutputFile::create(path.path));
    auto index =
        static_cast<size_t>(std::find(names.begin(), names.end(), path.name) - names.begin());
    outputs.push_back({index, std::move(file)});
  }
  return outputs;
}

Status write_outputs(std::vector<OutputPlan>& outputs,
                     const std::vector<runtime::RowTensor>& results) {
  for (OutputPlan& output : outputs) {
    const runtime::RowTensor& result = results[output.index];
    TAOISM_RETURN_IF_ERROR(output.file.append(files::npy_header(result.desc)));
    TAOISM_RETURN_IF_ERROR(
        output.file.append(ConstByteSpan(result.data.data(), result.desc.bytes())));
  }
  // Only when all of them are on disk does any appear.
  for (OutputPlan& output : outputs) TAOISM_RETURN_IF_ERROR(output.file.commit());
  return {};
}

struct Opened {
  std::unique_ptr<runtime::Source> source;
  std::vector<files::Tensor> inputs;
  std::vector<std::string> notes;
};

// A package. Sets the machine's key.
Result<Opened> open_package(const Options& options, runtime::Machine& machine) {
  TAOISM_RETURN_IF_ERROR(options.split.refuse_for_package());
  machine.key_file = options.key.file_of(options.model.path);
  TAOISM_ASSIGN_OR_RETURN(std::unique_ptr<package::Package> package,
                          options.key.open(options.model.path));
  const std::vector<onnx::DeclaredInput> declared = declared_inputs(*package);
  TAOISM_ASSIGN_OR_RETURN(ReadInputs read, options.model.inputs.read(declared));
  TAOISM_ASSIGN_OR_RETURN(std::vector<files::Tensor> inputs,
                          all_of(declared, std::move(read.tensors)));
  return Opened{std::move(package), std::move(inputs), std::move(read.notes)};
}

// An ONNX file under a plan, bound to the shapes of its inputs' files.
Result<Opened> open_model(const Options& options) {
  TAOISM_RETURN_IF_ERROR(options.key.refuse_for_model(options.model.path));
  TAOISM_ASSIGN_OR_RETURN(onnx::Model model, onnx::Model::load(options.model.path));
  TAOISM_ASSIGN_OR_RETURN(std::string hash, model.hash());
  TAOISM_ASSIGN_OR_RETURN(ReadInputs read, options.model.inputs.read(model.inputs()));
  TAOISM_ASSIGN_OR_RETURN(onnx::ImportOptions import,
                          options.model.inputs.import_options(model, read.tensors, 0));
  TAOISM_ASSIGN_OR_RETURN(ir::Graph graph, model.bind(import));
  TAOISM_ASSIGN_OR_RETURN(std::vector<files::Tensor> inputs,
                          all_of(model.inputs(), std::move(read.tensors)));
  if (size_t bad = onnx::count_nonfinite(graph); bad > 0) {
    print_warning(options.model.path + ": " + std::to_string(bad) +
                  " weights are NaN or infinite; the answers will be too");
  }
  TAOISM_ASSIGN_OR_RETURN(partition::Plan plan, options.split.plan(graph, hash));
  TAOISM_ASSIGN_OR_RETURN(
      std::unique_ptr<runtime::Source> source,
      runtime::open_source(std::move(model), std::move(plan), std::move(import)));
  return Opened{std::move(source), std::move(inputs), std::move(read.notes)};
}

Result<int> act(const Options& options) {
  runtime::BatchRunOptions run;
  TAOISM_ASSIGN_OR_RETURN(run.machine, options.machine.resolve());
  run.batch = options.batch;
  run.batch_is_given = options.batch_flag->count() > 0;
  TAOISM_ASSIGN_OR_RETURN(const Opened opened, package::is_package(options.model.path)
                                                   ? open_package(options, run.machine)
                                                   : open_model(options));
  const runtime::Source* source = opened.source.get();
  std::vector<int64_t> labels;
  if (!options.labels.empty()) {
    TAOISM_ASSIGN_OR_RETURN(labels, files::read_labels(options.labels));
  }
  std::vector<std::string> output_names;
  for (const runtime::TensorSpec& spec : source->outputs()) output_names.push_back(spec.name);
  TAOISM_ASSIGN_OR_RETURN(std::vector<OutputPlan> outputs,
                          open_outputs(options.outputs, output_names));

  ProgressBar bar;
  run.progress = [&bar](double done) { bar.update(done, "running"); };
  TAOISM_ASSIGN_OR_RETURN(runtime::BatchRunResult result,
                          runtime::run_rows(*source, opened.inputs, run));
  bar.clear();
  for (const std::string& warning : result.warnings) print_warning(warning);
  TAOISM_RETURN_IF_ERROR(write_outputs(outputs, result.outputs));
  for (const std::string& note : opened.notes) print(note + "\n");
  double seconds = static_cast<double>(result.total.end_to_end_ns) * 1e-9;
  print(fmt::format(
      "{} row{} under {} in {} ms ({} a second), batch {}{}\n", result.rows,
      result.rows == 1 ? "" : "s", source->strategy(), report::significant(1e3 * seconds),
      report::significant(static_cast<double>(result.rows) / seconds), result.batch,
      result.uses_tee ? ", tee " + run.machine.tee +
                            (runtime::is_simulated(run.machine.tee) ? " [simulated TEE]" : "") +
                            fmt::format(" with {}", report::bytes_text(result.tee_memory_budget))
                      : ", no TEE"));
  if (!options.labels.empty()) {
    TAOISM_ASSIGN_OR_RETURN(runtime::Accuracy accuracy,
                            runtime::accuracy(result.outputs.front(), labels));
    print(fmt::format("accuracy {:.2f} % ({} of {})\n", 100 * accuracy.share(), accuracy.right,
                      accuracy.rows));
  }
  return kExitOk;
}

Action declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  options->model.declare(
      app, "an ONNX file, or a package (.tao)",
      "x.npy, x.npz (arrays named as the inputs), IDX (.gz too), a picture (PNG, JPEG, PPM) or raw "
      "elements (.bin); NAME=x.npy with several inputs");
  writes_named(
      app.add_option("-o,--output", options->outputs, "y.npy; NAME=y.npy with several outputs"));
  reads(app.add_option("--labels", options->labels,
                       "class numbers (.npy or IDX): prints the accuracy"));
  options->batch_flag =
      app.add_option("--batch", options->batch,
                     "rows at a time, at most, of models whose rows may be run apart")
          ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
          ->capture_default_str();
  options->split.declare(app);
  options->key.declare(app);
  options->machine.declare(app);
  return [options] { return act(*options); };
}

}  // namespace

extern const Verb kRunVerb;
const Verb kRunVerb = {"run", "inference on the rows of a file", declare};

}  // namespace taoism::cli
