// `taoism run`: inference on the rows of a file, in batches.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>

#include "exit_code.h"
#include "flags.h"
#include "package/package.h"
#include "progress.h"
#include "report/units.h"
#include "runtime/batch_run.h"
#include "runtime/files/npy.h"
#include "runtime/files/output_file.h"
#include "runtime/files/tensor_file.h"
#include "verb.h"

namespace taoism::cli {
namespace {

struct Options {
  ModelFlags model;
  SplitFlags split;
  KeyFlag key;
  MachineFlags machine;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  std::string labels;
  int64_t batch = 64;
};

// "x.npy" or "name=x.npy"; a name only counts when the model has it.
struct NamedPath {
  std::string name;
  std::string path;
};

Result<std::vector<NamedPath>> match(const std::vector<std::string>& texts,
                                     const std::vector<std::string>& names, const char* flag) {
  auto known = [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  const std::string list = fmt::format("{}", fmt::join(names, ", "));
  std::vector<NamedPath> paths;
  for (const std::string& text : texts) {
    size_t equals = text.find('=');
    NamedPath path{"", text};
    if (equals != std::string::npos && known(text.substr(0, equals))) {
      path = {text.substr(0, equals), text.substr(equals + 1)};
    } else if (names.size() == 1) {
      path.name = names.front();
    } else {
      return invalid_argument(fmt::format(
          "{} {}: the model has several; write NAME={} with one of: {}", flag, text, text, list));
    }
    for (const NamedPath& other : paths) {
      if (other.name != path.name) continue;
      return invalid_argument(fmt::format("{}: '{}' twice", flag, path.name));
    }
    paths.push_back(std::move(path));
  }
  return paths;
}

Result<std::vector<files::Tensor>> read_inputs(const std::vector<std::string>& texts,
                                               const std::vector<std::string>& names) {
  TAOISM_ASSIGN_OR_RETURN(std::vector<NamedPath> paths, match(texts, names, "--input"));
  std::vector<files::Tensor> inputs;
  for (const std::string& name : names) {
    auto path = std::find_if(paths.begin(), paths.end(),
                             [&](const NamedPath& p) { return p.name == name; });
    if (path == paths.end()) {
      return invalid_argument("no --input for the model's input '" + name + "'; give --input " +
                              (names.size() > 1 ? name + "=" : "") + "x.npy");
    }
    TAOISM_ASSIGN_OR_RETURN(files::Tensor tensor, files::read_float_input(path->path));
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

struct OutputPlan {
  size_t index;  // of the model's outputs
  files::OutputFile file;
};

Result<std::vector<OutputPlan>> open_outputs(const std::vector<std::string>& texts,
                                             const std::vector<std::string>& names) {
  TAOISM_ASSIGN_OR_RETURN(std::vector<NamedPath> paths, match(texts, names, "--output"));
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

// A package, or an ONNX file under a plan. Sets the machine's key for a package.
Result<std::unique_ptr<runtime::Source>> open(const Options& options, runtime::Machine& machine) {
  if (package::is_package(options.model.path)) {
    TAOISM_RETURN_IF_ERROR(options.split.refuse_for_package());
    TAOISM_RETURN_IF_ERROR(options.model.refuse_for_package());
    machine.key_file = options.key.file_of(options.model.path);
    TAOISM_ASSIGN_OR_RETURN(std::unique_ptr<runtime::Source> package,
                            package::Package::open(options.model.path));
    return package;
  }
  TAOISM_ASSIGN_OR_RETURN(onnx::ImportOptions import, options.model.import_options(options.batch));
  TAOISM_ASSIGN_OR_RETURN(onnx::Model model, onnx::Model::load(options.model.path));
  TAOISM_ASSIGN_OR_RETURN(std::string hash, model.hash());
  TAOISM_ASSIGN_OR_RETURN(ir::Graph graph, model.bind(import));
  if (size_t bad = onnx::count_nonfinite(graph); bad > 0) {
    print_warning(options.model.path + ": " + std::to_string(bad) +
                  " weights are NaN or infinite; the answers will be too");
  }
  TAOISM_ASSIGN_OR_RETURN(partition::Plan plan, options.split.plan(graph, hash));
  return runtime::open_source(std::move(model), std::move(plan), std::move(import));
}

Result<int> act(const Options& options) {
  runtime::BatchRunOptions run;
  TAOISM_ASSIGN_OR_RETURN(run.machine, options.machine.resolve());
  run.batch = options.batch;
  TAOISM_ASSIGN_OR_RETURN(std::unique_ptr<runtime::Source> source, open(options, run.machine));
  std::vector<int64_t> labels;
  if (!options.labels.empty()) {
    TAOISM_ASSIGN_OR_RETURN(labels, files::read_labels(options.labels));
  }
  std::vector<std::string> input_names, output_names;
  for (const runtime::TensorSpec& spec : source->inputs()) input_names.push_back(spec.name);
  for (const runtime::TensorSpec& spec : source->outputs()) output_names.push_back(spec.name);
  TAOISM_ASSIGN_OR_RETURN(std::vector<files::Tensor> inputs,
                          read_inputs(options.inputs, input_names));
  TAOISM_ASSIGN_OR_RETURN(std::vector<OutputPlan> outputs,
                          open_outputs(options.outputs, output_names));

  ProgressBar bar;
  run.progress = [&bar](double done) { bar.update(done, "running"); };
  TAOISM_ASSIGN_OR_RETURN(runtime::BatchRunResult result, runtime::run_rows(*source, inputs, run));
  bar.clear();
  for (const std::string& warning : result.warnings) print_warning(warning);
  TAOISM_RETURN_IF_ERROR(write_outputs(outputs, result.outputs));
  double seconds = static_cast<double>(result.total.end_to_end_ns) * 1e-9;
  fmt::print("{} row{} under {} in {} ms ({} a second), batch {}{}\n", result.rows,
             result.rows == 1 ? "" : "s", source->strategy(), report::significant(1e3 * seconds),
             report::significant(static_cast<double>(result.rows) / seconds), result.batch,
             result.uses_tee
                 ? ", tee " + run.machine.tee +
                       (runtime::is_simulated(run.machine.tee) ? " [simulated TEE]" : "") +
                       fmt::format(" with {}", report::bytes_text(result.tee_memory_budget))
                 : ", no TEE");
  if (!options.labels.empty()) {
    TAOISM_ASSIGN_OR_RETURN(runtime::Accuracy accuracy,
                            runtime::accuracy(result.outputs.front(), labels));
    fmt::print("accuracy {:.2f} % ({} of {})\n", 100 * accuracy.share(), accuracy.right,
               accuracy.rows);
  }
  return kExitOk;
}

Action declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  options->model.declare(app, "an ONNX file, or a package (.tao)");
  app.add_option(
         "-i,--input", options->inputs,
         "x.npy (float32) or IDX images (.gz too; scaled to 0..1); NAME=x.npy with several inputs")
      ->required();
  app.add_option("-o,--output", options->outputs, "y.npy; NAME=y.npy with several outputs");
  app.add_option("--labels", options->labels, "class numbers (.npy or IDX): prints the accuracy");
  app.add_option("--batch", options->batch, "rows at a time, at most")
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
