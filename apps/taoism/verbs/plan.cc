// `taoism plan`: what goes where, why, what crosses, and what each side gets to see.
#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "exit_code.h"
#include "files/output_file.h"
#include "flags.h"
#include "package/key_file.h"
#include "package/owner_key.h"
#include "package/package.h"
#include "partition/explain.h"
#include "partition/strategy.h"
#include "runtime/prepare.h"
#include "standard_output.h"
#include "verb.h"

namespace taoism::cli {
namespace {

struct Options {
  ModelFlags model;
  SplitFlags split;
  KeyFlag key;
  MachineFlags machine;
  int64_t batch = 0;  // what the shapes say, or 1
  bool sweep = false;
  bool json = false;
  std::string output;
};

void print_json(const nlohmann::json& json) {
  print(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

Status run_sweep(const Options& options, const ir::Graph& graph, const std::string& hash,
                 const runtime::Machine& machine) {
  if (!options.split.plan_path.empty() || !options.output.empty()) {
    return invalid_argument("--sweep goes with --strategy alone, without --plan and -o");
  }
  TAOISM_ASSIGN_OR_RETURN(partition::StrategySpec spec,
                          partition::StrategySpec::parse(options.split.strategy));
  TAOISM_ASSIGN_OR_RETURN(std::vector<partition::StrategySpec> points,
                          partition::sweep(graph, spec));
  std::vector<partition::Report> reports;
  for (const partition::StrategySpec& point : points) {
    TAOISM_ASSIGN_OR_RETURN(partition::Plan plan, partition::make_plan(graph, point, hash));
    TAOISM_ASSIGN_OR_RETURN(runtime::Prepared prepared, runtime::prepare(graph, plan, machine));
    reports.push_back(std::move(prepared.report));
  }
  if (options.json) {
    print_json(partition::sweep_json(reports));
  } else {
    print(partition::sweep_text(reports));
  }
  return {};
}

// What a package says in clear and, with --key, its plan.
Result<int> show_package(const Options& options) {
  TAOISM_RETURN_IF_ERROR(options.split.refuse_for_package());
  TAOISM_RETURN_IF_ERROR(options.model.refuse_for_package());
  if (options.sweep) return invalid_argument("--sweep: a package has one plan");
  TAOISM_ASSIGN_OR_RETURN(std::unique_ptr<package::Package> package,
                          options.key.open(options.model.path));
  const int64_t least = package->manifest().batches.front().batch;
  const int64_t batch = options.batch > 0 ? options.batch : least;
  Result<const package::BatchEntry*> found = package->entry_of(batch);
  if (!found.ok()) return found.status().annotate("--batch");
  const package::BatchEntry* entry = *found;
  std::string plan;
  bool is_verified = package->file().is_verified();
  if (!options.key.path.empty()) {
    TAOISM_ASSIGN_OR_RETURN(const store::PackageKey key, package::read_key_file(options.key.path));
    TAOISM_ASSIGN_OR_RETURN(plan, package::open_plan(package->file(), key));
    is_verified = true;
  }
  if (!options.output.empty()) {
    if (plan.empty()) {
      return invalid_argument("-o: the plan of a package is sealed: give its key file, --key");
    }
    TAOISM_RETURN_IF_ERROR(files::write_file(options.output, plan));
  }
  const package::Manifest& manifest = package->manifest();
  const store::PackageHeader& header = package->file().header();
  std::vector<int64_t> batches;
  for (const package::BatchEntry& e : manifest.batches) batches.push_back(e.batch);
  if (options.json) {
    auto json = nlohmann::json::parse(entry->summary, nullptr, false);
    json["package"] = {{"version", header.version},
                       {"batch", entry->batch},
                       {"batches", batches},
                       {"kernel_target", manifest.kernel_target},
                       {"owner", package::id_text(package->file().signer())},
                       {"is_verified", is_verified},
                       {"model_id", manifest.model_id},
                       {"plan_id", manifest.plan_id}};
    print_json(json);
    return kExitOk;
  }
  print(
      fmt::format("package of {}, version {}, for batches of {}, weights packed for {}\nsigned by "
                  "owner {}{}\n\n{}",
                  manifest.model, header.version, fmt::join(batches, ", "), manifest.kernel_target,
                  package::id_text(package->file().signer()),
                  is_verified ? "" : ", whom nothing here verifies: give --owner owner.pub",
                  entry->summary_text));
  if (!plan.empty()) print(fmt::format("\n{}", plan));
  return kExitOk;
}

Result<int> act(const Options& options) {
  if (package::is_package(options.model.path)) return show_package(options);
  TAOISM_RETURN_IF_ERROR(options.key.refuse_for_model(options.model.path));
  TAOISM_ASSIGN_OR_RETURN(runtime::Machine machine, options.machine.resolve());
  TAOISM_ASSIGN_OR_RETURN(onnx::Model model, onnx::Model::load(options.model.path));
  TAOISM_ASSIGN_OR_RETURN(onnx::ImportOptions import,
                          options.model.import_options(model, options.batch));
  TAOISM_ASSIGN_OR_RETURN(std::string hash, model.hash());
  TAOISM_ASSIGN_OR_RETURN(ir::Graph graph, model.bind(import));
  if (options.sweep) {
    TAOISM_RETURN_IF_ERROR(run_sweep(options, graph, hash, machine));
    return kExitOk;
  }
  TAOISM_ASSIGN_OR_RETURN(partition::Plan plan, options.split.plan(graph, hash));
  TAOISM_ASSIGN_OR_RETURN(runtime::Prepared prepared, runtime::prepare(graph, plan, machine));
  if (!options.output.empty()) {
    TAOISM_RETURN_IF_ERROR(files::write_file(options.output, partition::write_plan(plan, graph)));
  }
  if (options.json) {
    print_json(partition::report_json(prepared.report));
  } else {
    print(partition::report_text(prepared.report));
  }
  return kExitOk;
}

Action declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  options->model.declare(app, "an ONNX file, or a package (.tao)");
  options->split.declare(app);
  reads(app.add_option(
      "--key", options->key.path,
      "of a package: its key file; shows, and with -o writes, the plan that is sealed in "
      "it"));
  options->key.declare_owner(app);
  options->machine.declare(app);
  app.add_option("--batch", options->batch,
                 "for bytes and memory; default: what the model or a file says, or 1")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  app.add_flag("--sweep", options->sweep, "every point of the strategy");
  app.add_flag("--json", options->json, "print JSON instead of text");
  writes(app.add_option("-o,--output", options->output,
                        "write the plan, to be edited and given back with --plan"));
  return [options] { return act(*options); };
}

}  // namespace

extern const Verb kPlanVerb;
const Verb kPlanVerb = {
    "plan", "the partition: what runs where, why, what crosses and who sees what", declare};

}  // namespace taoism::cli
