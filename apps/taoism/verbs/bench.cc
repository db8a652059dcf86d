// `taoism bench`: every strategy and batch side by side; `bench compare`: two results.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "exit_code.h"
#include "files/output_file.h"
#include "flags.h"
#include "package/package.h"
#include "progress.h"
#include "report/bench_report.h"
#include "report/compare.h"
#include "runtime/crypto_bandwidth.h"
#include "runtime/measure.h"
#include "standard_output.h"
#include "verb.h"

namespace taoism::cli {
namespace {

struct Options {
  std::vector<std::string> models;
  InputFlags inputs;
  std::vector<std::string> strategies = {"all"};
  std::vector<std::string> plans;
  std::vector<int64_t> batches = {0};  // 0: what the shapes say, or 1
  MachineFlags machine;
  KeyFlag key;
  std::string reference;
  size_t min_iterations = 10;
  double min_seconds = 3;
  uint64_t seed = 1;
  std::string json, jsonl, csv, md;
};

struct CompareOptions {
  std::string before, after;
  double tolerance = 0;
};

// Every strategy at every budget.
Result<std::vector<runtime::Subject>> make_subjects(const Options& options,
                                                    const std::vector<uint64_t>& budgets) {
  std::vector<runtime::Subject> subjects;
  TAOISM_ASSIGN_OR_RETURN(std::vector<std::string> strategies,
                          parse_strategy_list(options.strategies));
  for (std::string& strategy : strategies) {
    TAOISM_ASSIGN_OR_RETURN(partition::StrategySpec spec, partition::StrategySpec::parse(strategy));
    TAOISM_RETURN_IF_ERROR(partition::canonical(spec).status());
    subjects.push_back({std::move(strategy), "", 0});
  }
  for (const std::string& path : options.plans) {
    TAOISM_ASSIGN_OR_RETURN(std::string json, read_text(path));
    subjects.push_back({"plan " + path.substr(path.rfind('/') + 1), std::move(json), 0});
  }
  std::vector<runtime::Subject> with_budgets;
  for (const runtime::Subject& subject : subjects) {
    // A strategy that keeps nothing in the TEE has no use for a budget.
    const size_t count = subject.text == "none" ? 1 : budgets.size();
    for (size_t b = 0; b < count; ++b) {
      with_budgets.push_back(subject);
      with_budgets.back().tee_memory_bytes = budgets[b];
    }
  }
  return with_budgets;
}

// The files are made before the measuring, so that a bad path is known at once.
struct Outputs {
  std::vector<std::pair<files::OutputFile, std::string (*)(const report::BenchReport&)>> files;

  Status open(const Options& options) {
    auto json = [](const report::BenchReport& report) {
      return report::bench_json(report).dump(1, ' ', false,
                                             nlohmann::ordered_json::error_handler_t::replace) +
             "\n";
    };
    TAOISM_RETURN_IF_ERROR(open_one(options.json, json));
    TAOISM_RETURN_IF_ERROR(open_one(options.jsonl, report::bench_jsonl));
    TAOISM_RETURN_IF_ERROR(open_one(options.csv, report::bench_csv));
    return open_one(options.md, report::bench_markdown);
  }
  Status open_one(const std::string& path, std::string (*render)(const report::BenchReport&)) {
    if (path.empty()) return {};
    TAOISM_ASSIGN_OR_RETURN(files::OutputFile file, files::OutputFile::create(path));
    files.emplace_back(std::move(file), render);
    return {};
  }
  Status write(const report::BenchReport& report) {
    for (auto& [file, render] : files) {
      TAOISM_RETURN_IF_ERROR(file.append(render(report)));
      TAOISM_RETURN_IF_ERROR(file.commit());
    }
    return {};
  }
};

// What is measured of one file: every subject of a model, every budget of a package.
void choose(const Options& options, const std::string& model, const std::vector<uint64_t>& budgets,
            const std::vector<runtime::Subject>& subjects, runtime::MeasureOptions& measure) {
  measure.open_package = nullptr;
  measure.model_path = model;
  measure.subjects = subjects;
  if (!package::is_package(model)) return;
  measure.model_path = options.reference;
  measure.package_path = model;
  measure.machine.key_file = options.key.file_of(model);
  measure.open_package = [model, key = options.key]() -> Result<std::unique_ptr<runtime::Source>> {
    TAOISM_ASSIGN_OR_RETURN(std::unique_ptr<runtime::Source> source, key.open(model));
    return source;
  };
  measure.subjects.clear();
  for (const uint64_t budget : budgets) measure.subjects.push_back({"package", "", budget});
}

// The shapes, and what the inputs hold where files say it.
Status bind(const Options& options, const std::string& path, int64_t batch,
            runtime::MeasureOptions& measure) {
  measure.inputs.clear();
  measure.import = {.batch = batch};
  if (package::is_package(path)) {
    const char* flag = options.inputs.given();
    if (flag == nullptr) return {};
    return invalid_argument(std::string(flag) +
                            ": a package has the shapes that it was sealed with; --batch picks");
  }
  TAOISM_ASSIGN_OR_RETURN(const onnx::Model model, onnx::Model::load(path));
  TAOISM_ASSIGN_OR_RETURN(ReadInputs read, options.inputs.read(model.inputs()));
  measure.inputs = std::move(read.tensors);
  TAOISM_ASSIGN_OR_RETURN(measure.import,
                          options.inputs.import_options(model, measure.inputs, batch));
  return {};
}

Result<int> measure_all(const Options& options) {
  if (options.models.empty()) {
    return invalid_argument("bench: name at least one ONNX file or package");
  }
  for (const std::string& model : options.models) {
    if (!package::is_package(model)) {
      TAOISM_RETURN_IF_ERROR(options.key.refuse_for_model(model));
    }
  }
  runtime::MeasureOptions measure;
  TAOISM_ASSIGN_OR_RETURN(const auto machine, options.machine.resolve_budgets());
  measure.machine = machine.first;
  TAOISM_ASSIGN_OR_RETURN(const std::vector<runtime::Subject> subjects,
                          make_subjects(options, machine.second));
  measure.min_iterations = options.min_iterations;
  measure.min_seconds = options.min_seconds;
  measure.seed = options.seed;
  Outputs outputs;
  TAOISM_RETURN_IF_ERROR(outputs.open(options));

  report::BenchReport report;
  report.environment = runtime::describe_environment(command_line());
  report.settings = {{"seed", static_cast<double>(options.seed)},
                     {"min_iterations", static_cast<double>(options.min_iterations)},
                     {"min_seconds", options.min_seconds}};
  ProgressBar bar;
  const auto parts = static_cast<double>(options.models.size() * options.batches.size());
  double part = 0;
  bool valid = true;
  for (const std::string& model : options.models) {
    for (int64_t batch : options.batches) {
      choose(options, model, machine.second, subjects, measure);
      TAOISM_RETURN_IF_ERROR(bind(options, model, batch, measure));
      const std::string what_runs = batch == 0 ? model : fmt::format("{} batch {}", model, batch);
      auto progress = [&](double done, const std::string& what) {
        bar.update((part + done) / parts, fmt::format("{}: {}", what_runs, what));
      };
      Result<std::vector<runtime::RunRecord>> records = runtime::measure(measure, progress);
      if (!records.ok()) return records.status().annotate(what_runs);
      for (runtime::RunRecord& record : *records) {
        valid = valid && record.valid;
        report.runs.push_back(report::interpret(std::move(record)));
      }
      ++part;
    }
  }
  bar.clear();
  const bool has_sealed =
      std::any_of(report.runs.begin(), report.runs.end(),
                  [](const report::BenchRun& run) { return run.record.tee_sealed_bytes != 0; });
  if (has_sealed) {
    TAOISM_ASSIGN_OR_RETURN(report.aes_gcm_bytes_per_s,
                            runtime::measure_aes_gcm_bandwidth(measure.machine.tee_threads));
  }
  print(report::bench_text(report));
  TAOISM_RETURN_IF_ERROR(outputs.write(report));
  return valid ? kExitOk : kExitOther;
}

Result<int> compare(const CompareOptions& options) {
  TAOISM_ASSIGN_OR_RETURN(std::string before, read_text(options.before));
  TAOISM_ASSIGN_OR_RETURN(std::string after, read_text(options.after));
  TAOISM_ASSIGN_OR_RETURN(report::Comparison comparison,
                          report::compare(before, after, options.tolerance));
  print(report::comparison_text(comparison));
  return comparison.regressed() ? kExitOther : kExitOk;
}

Action declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  reads_model(app.add_option(
      "models", options->models,
      "ONNX files, and packages (.tao), which are measured under the plan sealed in them"));
  options->inputs.declare(app, "x.npy, ...: measure with what files hold, as `run` takes them");
  app.add_option("--strategies", options->strategies,
                 "all, or a list: none,full,deep:k=2,intermediate:theta=0.9,seed=7")
      ->capture_default_str();
  reads(app.add_option("--plan", options->plans, "also measure this plan.json; may be repeated"));
  app.add_option("--batch", options->batches,
                 "batch sizes: 1,8,64; default: what the model or a file says, or 1")
      ->delimiter(',')
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  options->machine.declare(app);
  options->key.declare(app);
  reads_model(app.add_option("--reference", options->reference,
                             "the ONNX file of a package, to compare its answers with"));
  app.add_option("--min-iterations", options->min_iterations, "samples of each run, at least")
      ->check(CLI::Range(size_t{1}, size_t{20000}))
      ->capture_default_str();
  app.add_option("--min-seconds", options->min_seconds, "seconds of samples of each run, at least")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  app.add_option("--seed", options->seed, "of the order and the input")->capture_default_str();
  writes(app.add_option("--json", options->json,
                        "write all results with raw samples (docs/formats/bench.schema.json)"));
  writes(app.add_option("--jsonl", options->jsonl, "write one run a line"));
  writes(app.add_option("--csv", options->csv, "write a CSV table"));
  writes(app.add_option("--md", options->md, "write a Markdown table"));
  app.footer(strategies_help());

  auto compared = std::make_shared<CompareOptions>();
  CLI::App* sub = app.add_subcommand(
      "compare",
      "two files of bench --json; exit code 1 when a run of the second is slower or wrong");
  reads(sub->add_option("before", compared->before, "the older file"))->required();
  reads(sub->add_option("after", compared->after, "the newer file"))->required();
  sub->add_option("--tolerance", compared->tolerance,
                  "0.05: slower only from 5 % beyond the interval")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  return [options, compared, sub] {
    return sub->parsed() ? compare(*compared) : measure_all(*options);
  };
}

}  // namespace

extern const Verb kBenchVerb;
const Verb kBenchVerb = {"bench", "measure strategies and batch sizes side by side", declare};

}  // namespace taoism::cli
