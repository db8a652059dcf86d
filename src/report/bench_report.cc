#include "report/bench_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "report/table.h"
#include "report/units.h"

namespace taoism::report {
namespace {

using Json = nlohmann::ordered_json;
using runtime::RunRecord;

// An interval wider than this share of the median is worth a warning.
constexpr double kWideInterval = 0.1;

Json number_or_text(const std::string& text) {
  double value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size())
    return Json::parse(text, nullptr, false);
  return text;
}

Json finite(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json optional_number(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json environment_json(const BenchReport& report) {
  Json machine = Json::object();
  for (const auto& [key, value] : report.environment.machine) machine[key] = value;
  Json versions = Json::object();
  for (const auto& [key, value] : report.environment.versions) versions[key] = value;
  Json settings = Json::object();
  for (const auto& [key, value] : report.settings) settings[key] = value;
  return {{"machine", machine},
          {"versions", versions},
          {"command", report.environment.command},
          {"time", report.environment.time},
          {"aes_gcm_bytes_per_s", report.aes_gcm_bytes_per_s},
          {"settings", settings},
          {"warnings", report.environment.warnings}};
}

Json run_json(const BenchReport& report, const BenchRun& run) {
  const RunRecord& r = run.record;
  Json parameters = Json::object();
  for (const auto& [key, value] : r.parameters) parameters[key] = number_or_text(value);
  const Summary& l = run.latency_ms;
  const TimeShare& t = run.time_share;
  return {{"model", r.model},
          {"model_hash", r.model_hash},
          {"plan_hash", r.plan_hash},
          {"strategy", r.strategy},
          {"parameters", parameters},
          {"tee", r.tee},
          {"simulated", r.simulated},
          {"device", r.device},
          {"batch", r.batch},
          {"tee_threads", r.tee_threads},
          {"device_threads", r.device_threads},
          {"cold_start_ms", r.cold_start_ms},
          {"latency_ms",
           {{"median", l.median},
            {"ci95", {l.ci95.low, l.ci95.high}},
            {"min", l.min},
            {"max", l.max},
            {"p95", optional_number(l.p95)},
            {"p99", optional_number(l.p99)},
            {"n", l.n},
            {"samples", r.samples_ms}}},
          {"throughput", run.throughput},
          {"tee_macs_share", r.tee_macs_share},
          {"private_params_exposed_share", r.private_params_exposed_share},
          {"crossings", r.crossings},
          {"bytes_to_device", r.bytes_to_device},
          {"bytes_to_tee", r.bytes_to_tee},
          {"tee_memory_budget", r.tee_memory_budget},
          {"tee_memory_peak", r.tee_memory_peak},
          {"tee_sealed_bytes", r.tee_sealed_bytes},
          {"streaming_share", optional_number(streaming_share(report, run))},
          {"time_share",
           {{"tee_compute", t.tee_compute},
            {"device_compute", t.device_compute},
            {"crypto", t.crypto},
            {"transfer", t.transfer},
            {"wait", t.wait},
            {"residual", t.residual}}},
          {"max_abs_error", r.has_reference ? finite(r.max_abs_error) : Json(nullptr)},
          {"valid", r.valid},
          {"warnings", r.warnings}};
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

// The median of `none` for the same model and batch, to show every strategy's cost against it.
std::optional<double> bound_median(const BenchReport& report, const RunRecord& like) {
  for (const BenchRun& run : report.runs) {
    const RunRecord& r = run.record;
    if (r.strategy == "none" && r.model == like.model && r.batch == like.batch)
      return run.latency_ms.median;
  }
  return std::nullopt;
}

std::string latency_text(const Summary& l) {
  double half = std::max(l.ci95.high - l.median, l.median - l.ci95.low);
  return significant(l.median) + " ±" + fmt::format("{:.0f}%", 100 * half / l.median);
}

bool is_same_subject(const RunRecord& a, const RunRecord& b) {
  return a.model == b.model && a.batch == b.batch && a.strategy == b.strategy &&
         a.parameters == b.parameters && a.tee == b.tee;
}

Table make_table(const BenchReport& report, const RunRecord* only) {
  std::vector<Table::Column> columns = {{"strategy", Table::left},
                                        {"ms (95% CI)"},
                                        {"x none"},
                                        {"img/s"},
                                        {"in TEE"},
                                        {"exposed"},
                                        {"crossings"},
                                        {"crossing bytes"},
                                        {"TEE memory"},
                                        {"TEE/dev/move/wait"},
                                        {"cold ms"},
                                        {"error"}};
  const bool has_sealed = report.aes_gcm_bytes_per_s != 0;
  if (has_sealed) {
    columns.push_back({"sealed a run"});
    columns.push_back({"of AES-GCM limit"});
  }
  if (only == nullptr) columns.insert(columns.begin(), {{"model", Table::left}, {"batch"}});
  Table table(std::move(columns));
  for (const BenchRun& run : report.runs) {
    const RunRecord& r = run.record;
    if (only != nullptr && (r.model != only->model || r.batch != only->batch)) continue;
    const TimeShare& t = run.time_share;
    std::optional<double> none = bound_median(report, r);
    std::vector<std::string> cells = {
        strategy_text(r),
        latency_text(run.latency_ms),
        none ? fmt::format("{:.2f}", run.latency_ms.median / *none) : "-",
        significant(run.throughput),
        percent(r.tee_macs_share),
        percent(r.private_params_exposed_share),
        std::to_string(r.crossings),
        bytes_text(r.bytes_to_device + r.bytes_to_tee),
        r.tee_memory_peak == 0 ? "-" : bytes_text(r.tee_memory_peak),
        fmt::format("{:.0f}/{:.0f}/{:.0f}/{:.0f}%", 100 * t.tee_compute, 100 * t.device_compute,
                    100 * (t.transfer + t.crypto), 100 * (t.wait + t.residual)),
        significant(r.cold_start_ms),
        !r.has_reference ? "-"
        : r.valid        ? fmt::format("{:.1e}", r.max_abs_error)
                         : "INVALID"};
    if (has_sealed) {
      const std::optional<double> share = streaming_share(report, run);
      cells.push_back(r.tee_sealed_bytes == 0 ? "-" : bytes_text(r.tee_sealed_bytes));
      cells.push_back(share ? percent(*share) : "-");
    }
    if (only == nullptr) cells.insert(cells.begin(), {r.model, std::to_string(r.batch)});
    table.add_row(std::move(cells));
  }
  return table;
}

// Every warning once, with the strategies it is about.
std::string warnings_text(const BenchReport& report, const std::string& bullet) {
  std::vector<std::pair<std::string, std::vector<std::string>>> all;
  for (const std::string& warning : report.environment.warnings) all.push_back({warning, {}});
  for (const BenchRun& run : report.runs) {
    for (const std::string& warning : run.record.warnings) {
      auto same =
          std::find_if(all.begin(), all.end(), [&](const auto& w) { return w.first == warning; });
      if (same == all.end()) same = all.insert(all.end(), {warning, {}});
      std::string who = strategy_text(run.record);
      if (std::find(same->second.begin(), same->second.end(), who) == same->second.end()) {
        same->second.push_back(who);
      }
    }
  }
  std::string out;
  for (const auto& [warning, strategies] : all) {
    out += bullet;
    for (size_t i = 0; i < strategies.size(); ++i) out += (i > 0 ? ", " : "") + strategies[i];
    out += (strategies.empty() ? "" : ": ") + warning + "\n";
  }
  return out;
}

std::string machine_text(const BenchReport& report) {
  auto get = [](const auto& list, const char* key) {
    for (const auto& [k, v] : list) {
      if (k == key) return v;
    }
    return std::string("?");
  };
  const auto& e = report.environment;
  return fmt::format("{}, {} cores, {}, taoism {}", get(e.machine, "cpu"), get(e.machine, "cores"),
                     get(e.versions, "kernel_target"), get(e.versions, "taoism"));
}

std::string tee_text(const RunRecord& r) {
  return fmt::format("tee {}{} ({} thread{}), device {} ({} thread{})", r.tee,
                     r.simulated ? " [simulated TEE]" : "", r.tee_threads,
                     r.tee_threads == 1 ? "" : "s", r.device, r.device_threads,
                     r.device_threads == 1 ? "" : "s");
}

}  // namespace

std::optional<double> streaming_share(const BenchReport& report, const BenchRun& run) {
  if (run.record.tee_sealed_bytes == 0 || report.aes_gcm_bytes_per_s == 0) return std::nullopt;
  for (const BenchRun& other : report.runs) {
    if (other.record.tee_sealed_bytes != 0 || !is_same_subject(other.record, run.record)) continue;
    const double added_s = (run.latency_ms.median - other.latency_ms.median) * 1e-3;
    if (added_s <= 0) return std::nullopt;
    return static_cast<double>(run.record.tee_sealed_bytes) / report.aes_gcm_bytes_per_s / added_s;
  }
  return std::nullopt;
}

BenchRun interpret(RunRecord record) {
  BenchRun run;
  run.latency_ms = summarize(record.samples_ms);
  run.throughput = 1e3 * static_cast<double>(record.batch) / run.latency_ms.median;
  const runtime::RunProfile& total = record.total;
  const auto whole = static_cast<double>(std::max<uint64_t>(total.end_to_end_ns, 1));
  auto share = [whole](uint64_t ns) { return static_cast<double>(ns) / whole; };
  run.time_share = {share(total.tee_compute_ns), share(total.device_compute_ns),
                    share(total.crypto_ns),      share(total.transfer_ns),
                    share(total.wait_ns),        share(total.residual_ns)};
  const Summary& l = run.latency_ms;
  if (l.ci95_is_range) {
    record.warnings.push_back(fmt::format(
        "only {} samples: the interval is their whole range; raise --min-iterations", l.n));
  } else if (l.ci95.high - l.ci95.low > kWideInterval * l.median) {
    record.warnings.emplace_back(
        "noisy: the median's interval is wider than 10 %; raise --min-seconds");
  }
  run.record = std::move(record);
  return run;
}

std::string strategy_text(const RunRecord& record) {
  std::string text = record.strategy;
  for (size_t i = 0; i < record.parameters.size(); ++i) {
    text += (i == 0 ? ":" : ",") + record.parameters[i].first + "=" + record.parameters[i].second;
  }
  return text;
}

Json bench_json(const BenchReport& report) {
  Json runs = Json::array();
  for (const BenchRun& run : report.runs) runs.push_back(run_json(report, run));
  return {{"schema", 1}, {"environment", environment_json(report)}, {"runs", runs}};
}

std::string bench_jsonl(const BenchReport& report) {
  std::string out;
  Json environment = environment_json(report);
  for (const BenchRun& run : report.runs) {
    Json line = {{"schema", 1}, {"environment", environment}, {"run", run_json(report, run)}};
    out += line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  return out;
}

std::string bench_csv(const BenchReport& report) {
  std::string out =
      "model,model_hash,plan_hash,strategy,tee,simulated,device,batch,tee_threads,device_threads,"
      "cold_start_ms,"
      "median_ms,ci95_low_ms,ci95_high_ms,min_ms,max_ms,p95_ms,n,throughput,tee_macs_share,"
      "private_params_exposed_share,crossings,bytes_to_device,bytes_to_tee,tee_memory_budget,tee_"
      "memory_peak,"
      "tee_compute,device_compute,crypto,transfer,wait,residual,max_abs_error,valid\n";
  for (const BenchRun& run : report.runs) {
    const RunRecord& r = run.record;
    const Summary& l = run.latency_ms;
    const TimeShare& t = run.time_share;
    out += fmt::format("{},{},{},{},{},{},{},{},{},{},{},", csv_field(r.model), r.model_hash,
                       r.plan_hash, csv_field(strategy_text(r)), r.tee, r.simulated, r.device,
                       r.batch, r.tee_threads, r.device_threads, r.cold_start_ms);
    out += fmt::format("{},{},{},{},{},{},{},{},", l.median, l.ci95.low, l.ci95.high, l.min, l.max,
                       l.p95 ? fmt::format("{}", *l.p95) : "", l.n, run.throughput);
    out += fmt::format("{},{},{},{},{},{},{},", r.tee_macs_share, r.private_params_exposed_share,
                       r.crossings, r.bytes_to_device, r.bytes_to_tee, r.tee_memory_budget,
                       r.tee_memory_peak);
    out += fmt::format("{},{},{},{},{},{},{},{}\n", t.tee_compute, t.device_compute, t.crypto,
                       t.transfer, t.wait, t.residual, r.max_abs_error, r.valid);
  }
  return out;
}

std::string bench_markdown(const BenchReport& report) {
  std::string out = make_table(report, nullptr).markdown();
  out += "\nMachine: " + machine_text(report) + ". ";
  if (!report.runs.empty()) out += "Run on " + tee_text(report.runs.front().record) + ". ";
  out += "Command: `" + report.environment.command + "`, " + report.environment.time + ".\n";
  std::string warnings = warnings_text(report, "- ");
  if (!warnings.empty()) out += "\n" + warnings;
  return out;
}

std::string bench_text(const BenchReport& report) {
  std::string out = machine_text(report) + "\n";
  if (!report.runs.empty()) out += tee_text(report.runs.front().record) + "\n";
  const RunRecord* group = nullptr;
  for (const BenchRun& run : report.runs) {
    const RunRecord& r = run.record;
    if (group != nullptr && group->model == r.model && group->batch == r.batch) continue;
    group = &r;
    out += fmt::format("\n{}, batch {}\n", r.model, r.batch) + make_table(report, group).text();
  }
  std::string warnings = warnings_text(report, "warning: ");
  if (!warnings.empty()) out += "\n" + warnings;
  return out;
}

}  // namespace taoism::report
