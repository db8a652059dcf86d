// `taoism seal`: the deployable package of a model under a plan.
#include <fmt/format.h>

#include <algorithm>

#include "exit_code.h"
#include "flags.h"
#include "kernels/target.h"
#include "package/owner_key.h"
#include "package/seal_file.h"
#include "report/units.h"
#include "standard_output.h"
#include "verb.h"

namespace taoism::cli {
namespace {

struct Options {
  ModelFlags model;
  SplitFlags split;
  std::string output;
  KeyFlag key;
  std::vector<int64_t> batches;  // none: default_batches()
  uint64_t version = 0;
  bool retire_older = false;
  bool allow_exposed = false;
  std::string target;
};

Status use_target(const std::string& name) {
  if (name.empty()) return {};
  const std::optional<kernels::Target> target = kernels::find_target(name);
  if (!target.has_value()) {
    return invalid_argument("--target '" + name +
                            "': no such target; use one of: portable, avx2, avx512");
  }
  if (!kernels::target_supported(*target)) {
    return unsupported("--target " + name +
                       ": this processor has it not, and weights are packed by its kernels: seal "
                       "on a machine that has it");
  }
  kernels::set_target(*target);
  return {};
}

// 0 is the batch that the model fixes, or a shape that was given.
Result<std::vector<int64_t>> default_batches(const onnx::Model& model, const ModelFlags& flags) {
  TAOISM_ASSIGN_OR_RETURN(const onnx::ImportOptions import, flags.import_options(model, 0));
  const bool is_said = std::any_of(
      import.input_shapes.begin(), import.input_shapes.end(),
      [](const auto& named) { return named.second.rank() > 0 && named.second[0] >= 0; });
  if (is_said || !model.batch_is_dynamic()) return std::vector<int64_t>{0};
  return std::vector<int64_t>{1, 8, 64};
}

Result<int> act(const Options& options) {
  TAOISM_RETURN_IF_ERROR(use_target(options.target));
  package::SealFileOptions file{.path = options.output,
                                .key_path = options.key.file_of(options.output),
                                .owner_path = options.key.owner,
                                .retire_older = options.retire_older};
  file.seal.version = options.version;
  file.seal.allow_exposed = options.allow_exposed;
  TAOISM_ASSIGN_OR_RETURN(onnx::Model model, onnx::Model::load(options.model.path));
  file.seal.batches = options.batches;
  if (file.seal.batches.empty()) {
    TAOISM_ASSIGN_OR_RETURN(file.seal.batches, default_batches(model, options.model));
  }
  TAOISM_ASSIGN_OR_RETURN(file.seal.import,
                          options.model.import_options(model, file.seal.batches.front()));
  TAOISM_ASSIGN_OR_RETURN(std::string hash, model.hash());
  TAOISM_ASSIGN_OR_RETURN(ir::Graph graph, model.bind(file.seal.import));
  TAOISM_ASSIGN_OR_RETURN(partition::Plan plan, options.split.plan(graph, hash));
  TAOISM_ASSIGN_OR_RETURN(const package::SealedFile sealed,
                          package::seal_file(model, plan, std::move(file)));
  for (const std::string& warning : sealed.report.warnings) print_warning(warning);
  print(fmt::format(
      "{}: {}, version {}, under {}, for batches of {}\n"
      "  sealed  {} of weights, the programs, the plan\n"
      "  public  {} of weights that the plan gives to the device\n"
      "  key     {}{}{}\n"
      "  owner   {}{}\n",
      one_line(options.output), report::bytes_text(sealed.report.file_bytes), sealed.version,
      plan.strategy, fmt::join(sealed.report.batches, ", "),
      report::bytes_text(sealed.report.sealed_weight_bytes),
      report::bytes_text(sealed.report.public_weight_bytes), one_line(sealed.key_path),
      sealed.key_is_new
          ? (options.key.path.empty() ? " (new, beside the package: who reads it has the weights; "
                                        "keep it from the package's users, --key writes elsewhere)"
                                      : " (new: who reads it has the weights; keep it from the "
                                        "package's users)")
          : "",
      options.retire_older ? fmt::format(", opens none before version {}", sealed.least_version)
                           : "",
      one_line(sealed.owner_path),
      sealed.owner_is_new ? fmt::format(" (new: signs your packages, keep it; give {} to who runs "
                                        "them, for --owner)",
                                        one_line(package::public_path(sealed.owner_path)))
                          : ""));
  return kExitOk;
}

Action declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  options->model.declare(app);
  options->split.declare(app);
  writes_package(app.add_option("-o,--output", options->output, "m.tao"))->required();
  reads(app.add_option(
      "--key", options->key.path,
      "the owner's key file, made if there is none; default: beside the package, m.key "
      "for m.tao"));
  reads(
      app.add_option("--owner", options->key.owner,
                     "your key that signs the package, owner.key, made if there is none; default: "
                     "taoism/owner.key in the folder for settings, ~/.config"));
  app.add_option(
         "--batch", options->batches,
         "the batch sizes that the package can run: 1,8,64; default: these, or the one that "
         "the model fixes")
      ->delimiter(',')
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  app.add_option("--version", options->version,
                 "a number that grows with every release; default: the next after the last "
                 "under the key")
      ->check(CLI::Range(uint64_t{1}, UINT64_MAX));
  app.add_flag("--retire-older", options->retire_older,
               "then make the key open no package of an older version (roll-back protection)");
  app.add_flag(
      "--allow-exposed", options->allow_exposed,
      "seal although private weights in the TEE can be had by asking, or follow from what the "
      "device has (`plan` lists them)");
  app.add_option("--target", options->target,
                 "portable, avx2 or avx512: what the weights are packed for, and the machine that "
                 "runs them must have; default: the best of this machine");
  return [options] { return act(*options); };
}

}  // namespace

extern const Verb kSealVerb;
const Verb kSealVerb = {"seal", "write the deployable package: what is private is encrypted",
                        declare};

}  // namespace taoism::cli
