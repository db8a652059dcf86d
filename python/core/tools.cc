// The table of strategies, and measuring.
#include <nanobind/stl/map.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <nlohmann/json.hpp>

#include "model.h"
#include "package/key_file.h"
#include "partition/strategy.h"
#include "report/bench_report.h"
#include "runtime/crypto_bandwidth.h"
#include "runtime/machine.h"
#include "runtime/measure.h"
#include "status.h"

namespace nb = nanobind;

namespace taoism::python {
namespace {

nb::list strategies() {
  nb::list list;
  for (const partition::Strategy* strategy : partition::all_strategies()) {
    nb::list parameters;
    for (const partition::ParameterSpec& spec : strategy->parameters) {
      nb::dict parameter;
      parameter["name"] = spec.name;
      parameter["kind"] = spec.kind == partition::ParameterSpec::integer ? "int" : "float";
      parameter["default"] = spec.fallback;
      parameter["lowest"] = spec.lowest;
      parameter["highest"] = spec.highest;
      parameter["doc"] = spec.doc;
      parameters.append(parameter);
    }
    nb::dict entry;
    entry["name"] = strategy->name;
    entry["summary"] = strategy->summary;
    entry["warning"] = strategy->warning == nullptr ? "" : strategy->warning;
    entry["parameters"] = parameters;
    list.append(entry);
  }
  return list;
}

std::string canonical_strategy(const std::string& text) {
  return take(partition::canonical(take(partition::StrategySpec::parse(text)))).text();
}

// Errors: names that do not exist, and a device that is not here.
void check_machine(const runtime::Machine& machine) {
  const runtime::Machine resolved = take(runtime::resolve(machine));
  if (resolved.device != "cpu") take(runtime::open_device(resolved));
}

// How far a benchmark is, and whether it goes on. Thread-safety: all functions, from any thread.
class BenchControl {
 public:
  void cancel() { is_cancelled_ = true; }
  bool is_cancelled() const { return is_cancelled_; }
  void set_progress(double done, const std::string& what) {
    const std::lock_guard lock(mutex_);
    progress_ = {done, what};
  }
  std::pair<double, std::string> progress() const {
    const std::lock_guard lock(mutex_);
    return progress_;
  }

 private:
  std::atomic<bool> is_cancelled_ = false;
  mutable std::mutex mutex_;
  std::pair<double, std::string> progress_;
};

using SubjectTuple = std::tuple<std::string, std::string, uint64_t>;  // text, plan.json, memory

// JSON and text of a benchmark of one file: a model under `subjects`, or a package.
std::pair<std::string, std::string> bench(const std::string& path,
                                          const std::vector<SubjectTuple>& subjects,
                                          const std::vector<int64_t>& batches,
                                          const InputShapes& shapes,
                                          const runtime::Machine& machine, const std::string& owner,
                                          size_t min_iterations, double min_seconds, uint64_t seed,
                                          const std::vector<std::string>& command,
                                          BenchControl& control) {
  runtime::MeasureOptions measure;
  measure.machine = take(runtime::resolve(machine));
  measure.min_iterations = min_iterations;
  measure.min_seconds = min_seconds;
  measure.seed = seed;
  measure.is_cancelled = [&control] { return control.is_cancelled(); };
  for (const auto& [name, dims] : shapes) {
    measure.import.input_shapes.emplace_back(name, ir::Shape(dims));
  }
  for (const auto& [text, plan, memory] : subjects) {
    measure.subjects.push_back({text, plan, memory});
  }
  if (package::is_package(path)) {
    measure.package_path = path;
    if (measure.machine.key_file.empty()) {
      measure.machine.key_file = package::default_key_path(path);
    }
    measure.open_package = [path, owner]() -> Result<std::unique_ptr<runtime::Source>> {
      TAOISM_ASSIGN_OR_RETURN(std::unique_ptr<runtime::Source> source,
                              package::Package::open_owned(path, owner));
      return source;
    };
  } else {
    measure.model_path = path;
  }
  report::BenchReport report;
  report.environment = runtime::describe_environment(command);
  report.settings = {{"seed", static_cast<double>(seed)},
                     {"min_iterations", static_cast<double>(min_iterations)},
                     {"min_seconds", min_seconds}};
  double batches_done = 0;
  const auto progress = [&](double done, const std::string& what) {
    control.set_progress((batches_done + done) / static_cast<double>(batches.size()), what);
  };
  for (const int64_t batch : batches) {
    measure.import.batch = batch;
    std::vector<runtime::RunRecord> records = take(runtime::measure(measure, progress));
    batches_done += 1;
    for (runtime::RunRecord& record : records) {
      report.runs.push_back(report::interpret(std::move(record)));
    }
  }
  if (std::any_of(report.runs.begin(), report.runs.end(),
                  [](const report::BenchRun& run) { return run.record.tee_sealed_bytes != 0; })) {
    report.aes_gcm_bytes_per_s =
        take(runtime::measure_aes_gcm_bandwidth(measure.machine.tee_threads));
  }
  return {report::bench_json(report).dump(-1, ' ', false,
                                          nlohmann::ordered_json::error_handler_t::replace),
          report::bench_text(report)};
}

}  // namespace

void bind_tools(nb::module_& module) {
  using Released = nb::call_guard<nb::gil_scoped_release>;
  nb::class_<BenchControl>(module, "BenchControl")
      .def(nb::init<>())
      .def("cancel", &BenchControl::cancel)
      .def_prop_ro("progress", &BenchControl::progress);
  module.def("strategies", &strategies);
  module.def("canonical_strategy", &canonical_strategy, nb::arg("text"));
  module.def("check_machine", &check_machine, nb::arg("machine"), Released());
  module.def("bench", &bench, nb::arg("path"), nb::arg("subjects"), nb::arg("batches"),
             nb::arg("shapes"), nb::arg("machine"), nb::arg("owner"), nb::arg("min_iterations"),
             nb::arg("min_seconds"), nb::arg("seed"), nb::arg("command"), nb::arg("control"),
             Released());
}

}  // namespace taoism::python
