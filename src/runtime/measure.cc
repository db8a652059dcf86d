#include "runtime/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <optional>
#include <random>

#include "base/text.h"
#include "host/memory.h"
#include "partition/plan.h"
#include "runtime/environment.h"
#include "runtime/prepare.h"
#include "runtime/session.h"
#include "runtime/tensors.h"

namespace taoism::runtime {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

constexpr size_t kMaxSamples = 20000;
// A short run is measured a few times in a row behind an untimed one, as a program that does
// nothing else would see it; a long one does not depend on what ran before.
constexpr double kLongRunMs = 50;
constexpr size_t kSamplesPerVisit = 4;
constexpr double kWarmUpMs = 100;
constexpr size_t kMaxWarmUpRuns = 20;

struct Contender {
  RunRecord record;
  std::unique_ptr<Session> session;
  Tensors outputs;
  double run_ms = 0;  // as the warm-up estimated it
  double measured_ms = 0;
  size_t done() const { return record.samples_ms.size(); }
};

class Measurement {
 public:
  Measurement(const MeasureOptions& options, const Progress& progress)
      : options_(options), progress_(progress), random_(options.seed) {}

  Result<std::vector<RunRecord>> run();

 private:
  Machine machine_of(const Subject& subject) const {
    Machine machine = options_.machine;
    machine.tee_memory_bytes = subject.tee_memory_bytes;
    return machine;
  }
  // Of a package.
  int64_t batch_of(const Source& source) const {
    if (options_.import.batch != 0) return options_.import.batch;
    const int64_t one = source.batch_at_most(1);
    return one != 0 ? one : source.batch_at_most(INT64_MAX);
  }
  Status make_reference();
  Status make_inputs();
  Status fill_inputs();
  Result<Prepared> prepare_package(const Subject& subject, RunRecord& record) const;
  Result<Prepared> prepare_subject(const Subject& subject, RunRecord& record) const;
  Result<Contender> open(const Subject& subject);
  Status warm_up(Contender& contender) const;
  Status check_answer(Contender& contender) const;
  Status measure_group(std::vector<Contender>& group);
  Status visit(Contender& contender) const;
  size_t samples_missing(const Contender& contender) const;
  void report(double done, const std::string& what) const {
    if (progress_) progress_(done, what);
  }
  Status go_on() const {
    if (!options_.is_cancelled || !options_.is_cancelled()) return {};
    return unavailable("the measurement was interrupted");
  }

  const MeasureOptions& options_;
  const Progress& progress_;
  std::mt19937_64 random_;
  std::shared_ptr<device::Device> device_;
  Tensors inputs_, reference_;
  size_t measured_subjects_ = 0;
};

Status Measurement::make_reference() {
  if (options_.model_path.empty()) return make_inputs();
  Machine machine = options_.machine;
  machine.device = "cpu";
  RunRecord unused;
  TAOISM_ASSIGN_OR_RETURN(Prepared prepared, prepare_subject({"none", ""}, unused));
  TAOISM_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Session::open(prepared, machine));
  inputs_ = Tensors(session->inputs());
  reference_ = Tensors(session->outputs());
  TAOISM_RETURN_IF_ERROR(fill_inputs());
  RunProfile profile;
  return session->run(inputs_.const_views(), reference_.views(), profile);
}

// Of a package alone.
Status Measurement::make_inputs() {
  TAOISM_ASSIGN_OR_RETURN(std::unique_ptr<Source> source, options_.open_package());
  TAOISM_ASSIGN_OR_RETURN(const Prepared prepared,
                          source->prepare(batch_of(*source), options_.machine));
  const ir::Graph& graph = prepared.partitioned.graph;
  inputs_ = Tensors(tensor_specs(graph, graph.inputs()));
  return fill_inputs();
}

Status Measurement::fill_inputs() {
  const auto views = inputs_.views();
  fill_normal(views, options_.seed);
  for (size_t i = 0; i < std::min(views.size(), options_.inputs.size()); ++i) {
    const std::optional<files::Tensor>& given = options_.inputs[i];
    if (!given) continue;
    if (given->desc != views[i].desc) {
      return invalid_argument("an input is " + views[i].desc.shape.text() + " and its file holds " +
                              given->desc.shape.text() + "; give a file of that shape");
    }
    if (given->desc.bytes() > 0) {
      std::memcpy(views[i].data, given->data.data(), given->desc.bytes());
    }
  }
  return {};
}

// As a user of it opens it: the plan is in it.
Result<Prepared> Measurement::prepare_package(const Subject& subject, RunRecord& record) const {
  TAOISM_ASSIGN_OR_RETURN(std::unique_ptr<Source> source, options_.open_package());
  record.model_hash = source->model_hash();
  TAOISM_ASSIGN_OR_RETURN(partition::StrategySpec spec,
                          partition::StrategySpec::parse(source->strategy()));
  record.strategy = spec.name;
  record.parameters.assign(spec.parameters.begin(), spec.parameters.end());
  return source->prepare(batch_of(*source), machine_of(subject));
}

// From the model file on: what a cold start does.
Result<Prepared> Measurement::prepare_subject(const Subject& subject, RunRecord& record) const {
  TAOISM_ASSIGN_OR_RETURN(onnx::Model model, onnx::Model::load(options_.model_path));
  TAOISM_ASSIGN_OR_RETURN(record.model_hash, model.hash());
  TAOISM_ASSIGN_OR_RETURN(ir::Graph graph, model.bind(options_.import));
  partition::Plan plan;
  if (subject.plan_json.empty()) {
    TAOISM_ASSIGN_OR_RETURN(partition::StrategySpec spec,
                            partition::StrategySpec::parse(subject.text));
    TAOISM_ASSIGN_OR_RETURN(plan, partition::make_plan(graph, spec, record.model_hash));
  } else {
    TAOISM_ASSIGN_OR_RETURN(plan,
                            partition::read_plan(subject.plan_json, graph, record.model_hash));
    if (plan.answer != partition::Answer::logits) {
      return invalid_argument(
          "the plan answers with a label: a measurement compares logits; set "
          "\"answer\": \"logits\" in the plan");
    }
  }
  TAOISM_ASSIGN_OR_RETURN(Prepared prepared, prepare(graph, plan, machine_of(subject)));
  record.strategy = subject.text;
  if (subject.plan_json.empty()) {
    TAOISM_ASSIGN_OR_RETURN(partition::StrategySpec spec,
                            partition::StrategySpec::parse(plan.strategy));
    record.strategy = spec.name;
    record.parameters.assign(spec.parameters.begin(), spec.parameters.end());
  }
  return prepared;
}

Result<Contender> Measurement::open(const Subject& subject) {
  Contender contender;
  RunRecord& record = contender.record;
  const auto start = Clock::now();
  TAOISM_ASSIGN_OR_RETURN(Prepared prepared, options_.open_package
                                                 ? prepare_package(subject, record)
                                                 : prepare_subject(subject, record));
  TAOISM_ASSIGN_OR_RETURN(contender.session, Session::open(prepared, machine_of(subject), device_));
  contender.outputs = Tensors(contender.session->outputs());
  RunProfile profile;
  TAOISM_RETURN_IF_ERROR(
      contender.session->run(inputs_.const_views(), contender.outputs.views(), profile));
  record.cold_start_ms = ms_since(start);

  const std::string& path = options_.open_package ? options_.package_path : options_.model_path;
  record.model = printable(path.substr(path.rfind('/') + 1));
  record.plan_hash = prepared.plan_hash;
  record.tee = options_.machine.tee;
  record.simulated = is_simulated(options_.machine.tee);
  record.device = options_.machine.device;
  record.batch = static_cast<size_t>(rows_of(contender.session->inputs()).value_or(1));
  record.tee_threads = options_.machine.tee_threads;
  record.device_threads = options_.machine.device_threads;
  record.tee_macs_share = prepared.report.macs_tee_share();
  record.private_params_exposed_share = prepared.report.private_params_exposed_share();
  record.crossings = prepared.report.crossings;
  record.bytes_to_device = prepared.report.bytes_to_device;
  record.bytes_to_tee = prepared.report.bytes_to_tee;
  record.tee_memory_budget = contender.session->tee_memory_budget();
  record.tee_memory_peak = contender.session->tee_memory_peak();
  record.tee_sealed_bytes =
      prepared.report.tee_memory.streamed_bytes + prepared.report.tee_memory.spilled_bytes;
  record.warnings = prepared.report.warnings;
  for (std::string& warning : contender.session->warnings())
    record.warnings.push_back(std::move(warning));
  TAOISM_RETURN_IF_ERROR(check_answer(contender));
  TAOISM_RETURN_IF_ERROR(warm_up(contender));
  return contender;
}

Status Measurement::warm_up(Contender& contender) const {
  double total_ms = 0;
  contender.run_ms = INFINITY;
  RunProfile profile;
  for (size_t i = 0; i < kMaxWarmUpRuns && (i < 1 || total_ms < kWarmUpMs); ++i) {
    TAOISM_RETURN_IF_ERROR(go_on());
    TAOISM_RETURN_IF_ERROR(
        contender.session->run(inputs_.const_views(), contender.outputs.views(), profile));
    double ms = static_cast<double>(profile.end_to_end_ns) * 1e-6;
    total_ms += ms;
    contender.run_ms = std::min(contender.run_ms, ms);
  }
  return {};
}

Status Measurement::check_answer(Contender& contender) const {
  if (options_.model_path.empty()) {
    contender.record.has_reference = false;
    return {};
  }
  const auto same_types = [](const Tensors& a, const Tensors& b) {
    const auto left = a.const_views();
    const auto right = b.const_views();
    return std::ranges::equal(left, right,
                              [](const auto& x, const auto& y) { return x.desc == y.desc; });
  };
  if (!same_types(reference_, contender.outputs)) {
    return invalid_argument(
        "the reference has other outputs than what is measured (a label?): there is nothing to "
        "compare; leave --reference away");
  }
  Difference d = difference(reference_.const_views(), contender.outputs.const_views());
  RunRecord& record = contender.record;
  if (std::isnan(d.absolute) || d.absolute > record.max_abs_error)
    record.max_abs_error = d.absolute;
  if (std::isnan(d.relative) || d.relative > record.max_relative_error)
    record.max_relative_error = d.relative;
  double limit = kMaxRelativeError;
  for (const ir::ConstTensorView& output : reference_.const_views()) {
    limit = std::max(limit, 4 * unit_of(output.desc.dtype));
  }
  record.valid = record.max_relative_error <= limit;  // false for NaN
  return {};
}

size_t Measurement::samples_missing(const Contender& contender) const {
  const size_t done = contender.done();
  if (done >= kMaxSamples) return 0;
  size_t missing = done < options_.min_iterations ? options_.min_iterations - done : 0;
  double missing_ms = options_.min_seconds * 1e3 - contender.measured_ms;
  if (missing_ms > 0) {
    double runs = std::ceil(missing_ms / std::max(contender.run_ms, 1e-3));
    missing = std::max(missing, static_cast<size_t>(std::min(runs, double{kMaxSamples})));
  }
  return std::min(missing, kMaxSamples - done);
}

Status Measurement::visit(Contender& contender) const {
  RunProfile profile;
  const bool is_short = contender.run_ms < kLongRunMs;
  if (is_short) {
    TAOISM_RETURN_IF_ERROR(
        contender.session->run(inputs_.const_views(), contender.outputs.views(), profile));
  }
  for (size_t i = 0; i < (is_short ? kSamplesPerVisit : 1); ++i) {
    TAOISM_RETURN_IF_ERROR(go_on());
    TAOISM_RETURN_IF_ERROR(
        contender.session->run(inputs_.const_views(), contender.outputs.views(), profile));
    double ms = static_cast<double>(profile.end_to_end_ns) * 1e-6;
    contender.measured_ms += ms;
    contender.record.samples_ms.push_back(ms);
    contender.record.total.add(profile);
  }
  return {};
}

Status Measurement::measure_group(std::vector<Contender>& group) {
  const auto subjects = static_cast<double>(options_.subjects.size());
  while (true) {
    std::vector<size_t> order;
    for (size_t c = 0; c < group.size(); ++c) {
      size_t a_visit = group[c].run_ms < kLongRunMs ? kSamplesPerVisit : 1;
      order.insert(order.end(), (samples_missing(group[c]) + a_visit - 1) / a_visit, c);
    }
    if (order.empty()) return {};
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random_() % i]);
    for (size_t i = 0; i < order.size(); ++i) {
      Contender& contender = group[order[i]];
      TAOISM_RETURN_IF_ERROR(visit(contender).annotate("strategy " + contender.record.strategy));
      double share = static_cast<double>(i + 1) / static_cast<double>(order.size());
      report((static_cast<double>(measured_subjects_) + share * static_cast<double>(group.size())) /
                 subjects,
             contender.record.strategy);
    }
  }
}

Result<std::vector<RunRecord>> Measurement::run() {
  report(0, "reference");
  TAOISM_RETURN_IF_ERROR(make_reference());
  TAOISM_ASSIGN_OR_RETURN(device_, open_device(options_.machine));
  std::vector<RunRecord> records;
  while (records.size() < options_.subjects.size()) {
    std::vector<Contender> group;
    uint64_t largest_bytes = 0;
    while (records.size() + group.size() < options_.subjects.size()) {
      // As many at a time as memory holds, where that is known.
      const std::optional<uint64_t> available = host::available_memory_bytes();
      if (!group.empty() && available && *available < 2 * largest_bytes) break;
      const Subject& subject = options_.subjects[records.size() + group.size()];
      report(
          static_cast<double>(measured_subjects_) / static_cast<double>(options_.subjects.size()),
          "opening " + subject.text);
      TAOISM_RETURN_IF_ERROR(go_on());
      Result<Contender> contender = open(subject);
      if (!contender.ok()) return contender.status().annotate("strategy " + subject.text);
      largest_bytes = std::max(largest_bytes, contender->session->memory_bytes());
      group.push_back(std::move(*contender));
    }
    TAOISM_RETURN_IF_ERROR(measure_group(group));
    measured_subjects_ += group.size();
    for (Contender& contender : group) {
      TAOISM_RETURN_IF_ERROR(check_answer(contender));
      RunRecord& record = contender.record;
      record.tee_memory_peak = contender.session->tee_memory_peak();
      if (!record.valid)
        record.warnings.emplace_back("INVALID: the answer differs from the unpartitioned run");
      if (contender.done() >= kMaxSamples) {
        record.warnings.push_back("stopped after " + std::to_string(kMaxSamples) + " samples");
      }
      if (group.size() < options_.subjects.size()) {
        record.warnings.emplace_back(
            "memory did not hold all strategies: not interleaved with all others");
      }
      records.push_back(std::move(record));
    }
  }
  return records;
}

}  // namespace

Result<std::vector<RunRecord>> measure(const MeasureOptions& options, const Progress& progress) {
  if (options.subjects.empty())
    return invalid_argument("no strategy to measure; give --strategies");
  return Measurement(options, progress).run();
}

}  // namespace taoism::runtime
