#include "flags.h"

#include "package/key_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>

#include "partition/strategy.h"

namespace taoism::cli {
namespace {

constexpr size_t kMaxTextBytes = size_t{256} << 20;

struct Unit {
  const char* name;
  double bytes;
};
constexpr double kKiB = 1024;
constexpr Unit kUnits[] = {{"", 1},
                           {"B", 1},
                           {"K", kKiB},
                           {"KiB", kKiB},
                           {"M", kKiB* kKiB},
                           {"MiB", kKiB* kKiB},
                           {"G", kKiB* kKiB* kKiB},
                           {"GiB", kKiB* kKiB* kKiB}};

}  // namespace

Result<uint64_t> parse_size(const std::string& text) {
  double number = 0;
  auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  std::string unit(static_cast<const char*>(end), text.data() + text.size());
  const auto* found = std::find_if(std::begin(kUnits), std::end(kUnits),
                                   [&](const Unit& u) { return unit == u.name; });
  constexpr double kMax = 1e15;
  if (error != std::errc() || found == std::end(kUnits) || !(number > 0) ||
      number * found->bytes > kMax || number * found->bytes < 1) {
    return invalid_argument("'" + text + "' is no size; write 64MiB, 512KiB or 1GiB");
  }
  return static_cast<uint64_t>(std::llround(number * found->bytes));
}

Result<std::vector<std::string>> parse_strategy_list(const std::vector<std::string>& texts) {
  std::vector<std::string> list;
  for (const std::string& text : texts) {
    size_t first_of_text = list.size();
    for (size_t start = 0; start <= text.size();) {
      size_t end = std::min(text.find_first_of(",;", start), text.size());
      std::string item = text.substr(start, end - start);
      bool continues = start > 0 && text[start - 1] == ',' && item.find('=') != std::string::npos &&
                       item.find(':') == std::string::npos;
      if (item.empty()) return invalid_argument("--strategies '" + text + "': an empty item");
      if (continues && list.size() > first_of_text) {
        list.back() += "," + item;
      } else if (item == "all") {
        list.emplace_back("none");
        for (const partition::Strategy* strategy : partition::all_strategies()) {
          std::string name = strategy->name;
          if (name != "none" && name != "full") list.push_back(name);
        }
        list.emplace_back("full");
      } else {
        list.push_back(std::move(item));
      }
      start = end + 1;
    }
  }
  return list;
}

void MachineFlags::declare(CLI::App& app) {
  app.add_option("--tee", tee,
                 "process: a sandboxed worker (simulated TEE); inline: this process, for debugging")
      ->capture_default_str();
  app.add_option("--device", device,
                 "untrusted device: cpu; torch:cpu or torch:cuda:N, with PyTorch (see `doctor`)")
      ->capture_default_str();
  app.add_option(
         "--tee-memory", tee_memory,
         "trusted memory budget: 64MiB, 1GiB; auto: what the plan needs at most; what does not "
         "fit is streamed and split (bench: a list)")
      ->capture_default_str();
  app.add_option("--tee-threads", tee_threads, "threads in the TEE; 0: one a core")
      ->capture_default_str();
  app.add_option("--device-threads", device_threads, "threads of the device; 0: one a core")
      ->capture_default_str();
  reads(app.add_option("--worker", worker,
                       "path of the program taoism-enclave; default: beside this program"));
}

Result<runtime::Machine> MachineFlags::resolve() const {
  runtime::Machine machine;
  machine.tee = tee;
  machine.device = device;
  machine.tee_threads = tee_threads;
  machine.device_threads = device_threads;
  machine.worker_path = worker;
  if (tee_memory != "auto") {
    Result<uint64_t> bytes = parse_size(tee_memory);
    if (!bytes.ok()) return bytes.status().annotate("--tee-memory");
    machine.tee_memory_bytes = *bytes;
  }
  return runtime::resolve(std::move(machine));
}

Result<std::pair<runtime::Machine, std::vector<uint64_t>>> MachineFlags::resolve_budgets() const {
  MachineFlags flags = *this;
  std::vector<uint64_t> budgets;
  std::string_view rest = tee_memory;
  for (bool is_last = false; !is_last;) {
    const size_t comma = rest.find(',');
    is_last = comma == std::string_view::npos;
    flags.tee_memory = std::string(rest.substr(0, comma));
    TAOISM_ASSIGN_OR_RETURN(const runtime::Machine machine, flags.resolve());
    budgets.push_back(machine.tee_memory_bytes);
    if (!is_last) rest.remove_prefix(comma + 1);
  }
  flags.tee_memory = "auto";
  TAOISM_ASSIGN_OR_RETURN(runtime::Machine machine, flags.resolve());
  return std::pair(std::move(machine), std::move(budgets));
}

void ModelFlags::declare(CLI::App& app, const char* what, const char* inputs_what) {
  reads_model(app.add_option("model", path, what))->required();
  inputs.declare(app, inputs_what);
}

Result<onnx::ImportOptions> ModelFlags::import_options(const onnx::Model& model,
                                                       int64_t batch) const {
  TAOISM_ASSIGN_OR_RETURN(const ReadInputs read, inputs.read(model.inputs()));
  return inputs.import_options(model, read.tensors, batch);
}

Status ModelFlags::refuse_for_package() const {
  const char* flag = inputs.given();
  if (flag == nullptr) return {};
  return invalid_argument(std::string(flag) + ": a package has the shapes that it was sealed with");
}

void SplitFlags::declare(CLI::App& app) {
  CLI::Option* by_name =
      app.add_option("-s,--strategy", strategy, "what goes into the TEE; below are the names")
          ->capture_default_str();
  CLI::Option* by_file =
      reads(app.add_option("--plan", plan_path,
                           "a plan.json instead, as written by `plan -o` and edited by hand"))
          ->excludes(by_name);
  CLI::Option* by_answer = app.add_option(
      "--answer", answer,
      "logits: the outputs as they are; label: the largest class alone, found where the output is "
      "made; default: what the plan says, or logits");
  options_ = {by_name, by_file, by_answer};
  app.footer(strategies_help());
}

Result<partition::Plan> SplitFlags::plan(const ir::Graph& graph,
                                         const std::string& model_hash) const {
  TAOISM_ASSIGN_OR_RETURN(partition::Plan plan, placement(graph, model_hash));
  if (!answer.empty()) {
    Result<partition::Answer> parsed = partition::parse_answer(answer);
    if (!parsed.ok()) return parsed.status().annotate("--answer");
    plan.answer = *parsed;
  }
  return plan;
}

Status SplitFlags::refuse_for_package() const {
  for (const CLI::Option* option : options_) {
    if (option->count() == 0) continue;
    return invalid_argument(option->get_name() +
                            ": a package runs under the plan that it was sealed with; seal the "
                            "model anew, or run its ONNX file");
  }
  return {};
}

void KeyFlag::declare(CLI::App& app) {
  reads(app.add_option(
      "--key", path,
      "of a package: its owner's key file, which the TEE alone reads; default: beside "
      "the package, m.key for m.tao"));
  declare_owner(app);
}

void KeyFlag::declare_owner(CLI::App& app) {
  reads(app.add_option(
      "--owner", owner,
      "of a package: the public half of its owner's key, owner.pub; another's package is "
      "refused. Without it the TEE alone checks, by the key file"));
}

Result<std::unique_ptr<package::Package>> KeyFlag::open(const std::string& package) const {
  return package::Package::open_owned(package, owner);
}

Status KeyFlag::refuse_for_model(const std::string& path_of_model) const {
  if (path.empty() && owner.empty()) return {};
  if (access(path_of_model.c_str(), F_OK) != 0) {
    return not_found(path_of_model + ": cannot open: " + std::strerror(errno));
  }
  const std::string flag = owner.empty() ? "--key" : "--owner";
  return integrity_error(path_of_model +
                         ": is no package, so nothing shows whose it is; if it is " +
                         "what you mean to run, leave " + flag + " away");
}

std::string KeyFlag::file_of(const std::string& package) const {
  return path.empty() ? package::default_key_path(package) : path;
}

Result<partition::Plan> SplitFlags::placement(const ir::Graph& graph,
                                              const std::string& model_hash) const {
  if (plan_path.empty()) {
    TAOISM_ASSIGN_OR_RETURN(partition::StrategySpec spec, partition::StrategySpec::parse(strategy));
    return partition::make_plan(graph, spec, model_hash);
  }
  TAOISM_ASSIGN_OR_RETURN(std::string json, read_text(plan_path));
  Result<partition::Plan> plan = partition::read_plan(json, graph, model_hash);
  if (!plan.ok()) return plan.status().annotate(plan_path);
  return plan;
}

Result<std::string> read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return not_found(path + ": cannot open: " + std::strerror(errno));
  std::string text;
  std::vector<char> buffer(1 << 16);
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) ||
         file.gcount() > 0) {
    text.append(buffer.data(), static_cast<size_t>(file.gcount()));
    if (text.size() > kMaxTextBytes) return invalid_argument(path + ": larger than 256 MiB");
  }
  if (file.bad()) return invalid_argument(path + ": cannot read");
  return text;
}

std::string strategies_help() {
  std::ostringstream out;
  out << "\nStrategies, NAME or NAME:parameter=value,parameter=value:\n";
  for (const partition::Strategy* strategy : partition::all_strategies()) {
    out << "  " << std::left << std::setw(13) << strategy->name << " " << strategy->summary << "\n";
    for (const partition::ParameterSpec& p : strategy->parameters) {
      out << "  " << std::setw(15) << "" << p.name << "=" << partition::number_text(p.fallback)
          << "  " << p.doc << "\n";
    }
  }
  out << "  " << std::setw(13) << "teeslice"
      << " private slices beside a public backbone (not yet available)\n";
  return out.str();
}

}  // namespace taoism::cli
