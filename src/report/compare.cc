#include "report/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "report/table.h"
#include "report/units.h"

namespace taoism::report {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kBootstrapSeed = 1;

struct LoadedRun {
  std::string model, model_hash, strategy, tee, device;
  size_t batch = 0;
  bool valid = false;
  std::vector<double> samples_ms;
  std::string key() const {
    return fmt::format("{}|{}|{}|{}|{}", model, strategy, batch, tee, device);
  }
  std::string text() const { return fmt::format("{} {} batch {}", model, strategy, batch); }
};

struct LoadedFile {
  std::string machine;
  std::vector<LoadedRun> runs;
};

const Json* member(const Json& object, const char* key, Json::value_t type) {
  if (!object.is_object()) return nullptr;
  auto found = object.find(key);
  if (found == object.end()) return nullptr;
  bool number = type == Json::value_t::number_float && found->is_number();
  return number || found->type() == type ? &*found : nullptr;
}

std::string text_member(const Json& object, const char* key) {
  const Json* value = member(object, key, Json::value_t::string);
  return value == nullptr ? std::string() : value->get<std::string>();
}

bool load_run(const Json& json, LoadedRun& run) {
  run.model = text_member(json, "model");
  run.model_hash = text_member(json, "model_hash");
  run.strategy = text_member(json, "strategy");
  run.tee = text_member(json, "tee");
  run.device = text_member(json, "device");
  const Json* batch = member(json, "batch", Json::value_t::number_float);
  const Json* valid = member(json, "valid", Json::value_t::boolean);
  const Json* latency = member(json, "latency_ms", Json::value_t::object);
  const Json* samples = latency ? member(*latency, "samples", Json::value_t::array) : nullptr;
  if (run.model.empty() || run.strategy.empty() || batch == nullptr || valid == nullptr ||
      samples == nullptr || samples->empty() || !batch->is_number_integer() || *batch < 1) {
    return false;
  }
  run.batch = batch->get<size_t>();
  run.valid = valid->get<bool>();
  if (const Json* parameters = member(json, "parameters", Json::value_t::object)) {
    char separator = ':';
    for (const auto& [key, value] : parameters->items()) {
      run.strategy +=
          separator + key + "=" +
          (value.is_string() ? value.get<std::string>()
                             : value.dump(-1, ' ', false, Json::error_handler_t::replace));
      separator = ',';
    }
  }
  for (const Json& sample : *samples) {
    if (!sample.is_number()) return false;
    double ms = sample.get<double>();
    if (!std::isfinite(ms) || ms <= 0) return false;
    run.samples_ms.push_back(ms);
  }
  return true;
}

Result<LoadedFile> load(const std::string& text, const char* which) {
  Json json = Json::parse(text, nullptr, false);
  const Json* schema = member(json, "schema", Json::value_t::number_float);
  const Json* runs = member(json, "runs", Json::value_t::array);
  if (schema == nullptr || *schema != 1 || runs == nullptr) {
    return invalid_argument(std::string(which) +
                            " is no benchmark file of schema 1; write it with bench --json");
  }
  LoadedFile file;
  if (const Json* environment = member(json, "environment", Json::value_t::object)) {
    if (const Json* machine = member(*environment, "machine", Json::value_t::object)) {
      file.machine =
          text_member(*machine, "cpu") + ", " + text_member(*machine, "cores") + " cores";
    }
  }
  for (size_t i = 0; i < runs->size(); ++i) {
    LoadedRun run;
    if (!load_run((*runs)[i], run)) {
      return invalid_argument(fmt::format("{}: run {} does not follow schema 1", which, i));
    }
    file.runs.push_back(std::move(run));
  }
  return file;
}

ComparedRun compare_run(const LoadedRun& before, const LoadedRun& after, double tolerance) {
  ComparedRun run;
  run.model = after.model;
  run.strategy = after.strategy;
  run.batch = after.batch;
  run.before_ms = summarize(before.samples_ms).median;
  run.after_ms = summarize(after.samples_ms).median;
  run.ratio = median_ratio(before.samples_ms, after.samples_ms, kBootstrapSeed);
  if (!after.valid) {
    run.verdict = ComparedRun::invalid;
  } else if (run.ratio.ci95.low > 1 + tolerance) {
    run.verdict = ComparedRun::slower;
  } else if (run.ratio.ci95.high < 1 - tolerance) {
    run.verdict = ComparedRun::faster;
  }
  return run;
}

const char* verdict_name(ComparedRun::Verdict verdict) {
  switch (verdict) {
    case ComparedRun::same: return "same";
    case ComparedRun::faster: return "faster";
    case ComparedRun::slower: return "SLOWER";
    case ComparedRun::invalid: return "INVALID";
  }
  return "?";
}

}  // namespace

bool Comparison::regressed() const {
  return std::any_of(runs.begin(), runs.end(), [](const ComparedRun& run) {
    return run.verdict == ComparedRun::slower || run.verdict == ComparedRun::invalid;
  });
}

Result<Comparison> compare(const std::string& before_json, const std::string& after_json,
                           double tolerance) {
  TAOISM_ASSIGN_OR_RETURN(LoadedFile before, load(before_json, "the first file"));
  TAOISM_ASSIGN_OR_RETURN(LoadedFile after, load(after_json, "the second file"));
  Comparison comparison;
  std::map<std::string, const LoadedRun*> old_runs;
  for (const LoadedRun& run : before.runs) old_runs[run.key()] = &run;
  for (const LoadedRun& run : after.runs) {
    auto found = old_runs.find(run.key());
    if (found == old_runs.end()) {
      comparison.notes.push_back("only in the second file: " + run.text());
      continue;
    }
    if (found->second->model_hash != run.model_hash) {
      comparison.notes.push_back("another model of the same name: " + run.text());
    }
    comparison.runs.push_back(compare_run(*found->second, run, tolerance));
    old_runs.erase(found);
  }
  for (const auto& [key, run] : old_runs)
    comparison.notes.push_back("only in the first file: " + run->text());
  if (before.machine != after.machine) {
    comparison.notes.push_back("measured on different machines: " + before.machine + " and " +
                               after.machine);
  }
  if (comparison.runs.empty()) {
    return invalid_argument(
        "the two files have no run in common (model, strategy, batch, TEE, device)");
  }
  return comparison;
}

std::string comparison_text(const Comparison& comparison) {
  Table table({{"model", Table::left},
               {"batch"},
               {"strategy", Table::left},
               {"before ms"},
               {"after ms"},
               {"ratio"},
               {"95% interval"},
               {"verdict", Table::left}});
  for (const ComparedRun& run : comparison.runs) {
    table.add_row({run.model, std::to_string(run.batch), run.strategy, significant(run.before_ms),
                   significant(run.after_ms), fmt::format("{:.3f}", run.ratio.value),
                   fmt::format("{:.3f}..{:.3f}", run.ratio.ci95.low, run.ratio.ci95.high),
                   verdict_name(run.verdict)});
  }
  std::string out = table.text();
  for (const std::string& note : comparison.notes) out += "note: " + note + "\n";
  return out;
}

}  // namespace taoism::report
