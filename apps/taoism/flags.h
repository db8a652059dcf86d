// Flags that several verbs share, and the texts they hold. Thread-safety: values.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "inputs.h"
#include "onnx/model.h"
#include "package/package.h"
#include "partition/plan.h"
#include "runtime/machine.h"

namespace taoism::cli {

// What file an option's text names, as its type: --help shows it, check_flags() of guards.h goes by
// it. kNamed before a type: the text may also be NAME=path, as match_paths() has it.
inline constexpr std::string_view kNamed = "[NAME=]";
inline constexpr std::string_view kFile = "FILE";
inline constexpr std::string_view kModel = "MODEL";  // or a package; read with the files it names
inline constexpr std::string_view kNewFile = "NEW-FILE";
inline constexpr std::string_view kNewPackage = "NEW-PACKAGE";  // in place of an older one, too
inline constexpr std::string_view kNewModel = "NEW-MODEL";      // likewise

inline CLI::Option* reads(CLI::Option* option) { return option->type_name(std::string(kFile)); }
inline CLI::Option* reads_named(CLI::Option* option) {
  return option->type_name(std::string(kNamed).append(kFile));
}
inline CLI::Option* reads_model(CLI::Option* option) {
  return option->type_name(std::string(kModel));
}
inline CLI::Option* writes(CLI::Option* option) { return option->type_name(std::string(kNewFile)); }
inline CLI::Option* writes_named(CLI::Option* option) {
  return option->type_name(std::string(kNamed).append(kNewFile));
}
inline CLI::Option* writes_package(CLI::Option* option) {
  return option->type_name(std::string(kNewPackage));
}
inline CLI::Option* writes_model(CLI::Option* option) {
  return option->type_name(std::string(kNewModel));
}

// "65536", "64KiB", "64MiB", "1.5GiB" (also K, M, G). Errors: invalid_argument.
Result<uint64_t> parse_size(const std::string& text);

// "none,deep:k=2,intermediate:theta=0.9,seed=7" -> three strategies: an item with '=' but no ':' is
// a further parameter of the one before. ';' separates too. "all" is every strategy, `none` first
// and `full` last. Does not check the names. Errors: invalid_argument.
Result<std::vector<std::string>> parse_strategy_list(const std::vector<std::string>& texts);

struct MachineFlags {
  std::string tee = "process";
  std::string device = "cpu";
  std::string tee_memory = "auto";
  size_t tee_threads = 0;
  size_t device_threads = 0;
  std::string worker;

  void declare(CLI::App& app);
  Result<runtime::Machine> resolve() const;
  // For verbs that take several budgets: the machine without one, and "8MiB,64MiB,auto" as bytes, 0
  // for auto.
  Result<std::pair<runtime::Machine, std::vector<uint64_t>>> resolve_budgets() const;
};

// The model file, and what its open dimensions become.
struct ModelFlags {
  std::string path;
  InputFlags inputs;

  void declare(CLI::App& app, const char* what = "an ONNX file",
               const char* inputs_what = "x.npy, ...: take the shapes from files, as `run` does");
  // What the model is bound to: InputFlags::import_options() of the files' shapes.
  Result<onnx::ImportOptions> import_options(const onnx::Model& model, int64_t batch) const;
  // Errors: invalid_argument when shapes were given, because a package has its own.
  Status refuse_for_package() const;
};

// --strategy or --plan, and --answer.
struct SplitFlags {
  std::string strategy = "full";
  std::string plan_path;
  std::string answer;  // empty: what the plan says

  void declare(CLI::App& app);
  // Reads the plan, or makes one. Errors: those of both, plan errors annotated with the path.
  Result<partition::Plan> plan(const ir::Graph& graph, const std::string& model_hash) const;
  // Errors: invalid_argument when any was given, because a package holds its plan.
  Status refuse_for_package() const;

 private:
  std::vector<CLI::Option*> options_;
  Result<partition::Plan> placement(const ir::Graph& graph, const std::string& model_hash) const;
};

// --key and --owner, of a package.
struct KeyFlag {
  std::string path;
  std::string owner;

  void declare(CLI::App& app);
  void declare_owner(CLI::App& app);
  // The package at `package`, signed by --owner where that is given. Errors: those of reading it
  // and of Package::open().
  Result<std::unique_ptr<package::Package>> open(const std::string& package) const;
  // Of a file that is no package: nothing in it is its owner's. Errors: integrity when a key or an
  // owner was given, not_found when there is no such file.
  Status refuse_for_model(const std::string& path_of_model) const;
  // Where the key of the package at `package` is.
  std::string file_of(const std::string& package) const;
};

// The whole file, 256 MiB at most. Errors: not_found, invalid_argument, naming the path.
Result<std::string> read_text(const std::string& path);

// Text for --help that lists the strategies.
std::string strategies_help();

}  // namespace taoism::cli
