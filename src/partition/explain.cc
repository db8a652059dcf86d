#include "partition/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace taoism::partition {
namespace {

using nlohmann::json;

// Longer lists than this are shortened on a terminal; the JSON has all.
constexpr size_t kShownWeights = 8;
constexpr size_t kShownActivations = 8;
constexpr size_t kShownParts = 8;
constexpr size_t kWidestColumn = 44;

std::string bytes_text(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

double share_of(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}
std::string percent(double share) { return fmt::format("{:.4g} %", 100 * share); }
std::string count_or_dash(uint64_t count) { return count == 0 ? "-" : std::to_string(count); }
std::string bytes_or_dash(uint64_t bytes) { return bytes == 0 ? "-" : bytes_text(bytes); }

// Rows of cells under a header, columns as wide as they need; numbers (from `first_number` on) to
// the right.
std::string table(const std::vector<std::vector<std::string>>& rows, size_t first_number) {
  std::vector<size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (size_t c = 0; c < row.size(); ++c) {
      widths[c] = std::min(kWidestColumn, std::max(widths[c], row[c].size()));
    }
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      std::string cell = row[c];
      // The end of a long name tells more than its start.
      if (cell.size() > kWidestColumn) cell = "..." + cell.substr(cell.size() - kWidestColumn + 3);
      const std::string format = c < first_number ? "{:<{}}  " : "{:>{}}  ";
      line += fmt::format(fmt::runtime(format), cell, widths[c]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string exposure_text(const Report& report) {
  std::string out =
      fmt::format("device sees  {} of {} private parameters ({})", report.private_params_exposed,
                  report.private_params_total, percent(report.private_params_exposed_share()));
  if (!report.asked.empty()) {
    out += fmt::format(", {} of them by asking ({})", report.private_params_asked,
                       percent(report.private_params_asked_share()));
  }
  out += "\n";
  for (size_t i = 0; i < report.asked.size() && i < kShownParts; ++i) {
    const AskedPart& part = report.asked[i];
    out += fmt::format("  by asking   TEE segment {}: {} ({}), {}\n", part.segment, part.params,
                       percent(share_of(part.params, report.private_params_total)),
                       asked_text(part));
  }
  if (report.asked.size() > kShownParts) {
    out += fmt::format("  ... and {} more segments\n", report.asked.size() - kShownParts);
  }
  const auto& weights = report.exposed_weights;
  for (size_t i = 0; i < weights.size() && i < kShownWeights; ++i) {
    out += fmt::format("  weight      {}: {} ({}){}{}\n", weights[i].name, weights[i].params,
                       percent(weights[i].share), weights[i].note.empty() ? "" : ", ",
                       weights[i].note);
  }
  if (weights.size() > kShownWeights) {
    out += fmt::format("  ... and {} more weights\n", weights.size() - kShownWeights);
  }
  // Those that it computes itself follow from what it was given.
  size_t given = 0;
  for (const ExposedActivation& activation : report.exposed_activations) {
    if (activation.kind == ExposedActivation::computed) continue;
    if (++given > kShownActivations) continue;
    out += fmt::format("  activation  {}: {} ({})\n", activation.name, activation.shape,
                       exposure_kind_name(activation.kind));
  }
  if (given > kShownActivations) {
    out += fmt::format("  ... and {} more activations\n", given - kShownActivations);
  }
  out += fmt::format("  {} activations in all, {} of them given to it\n",
                     report.exposed_activations.size(), given);
  return out;
}

std::string memory_text(const Report& report) {
  const TeeMemory& memory = report.tee_memory;
  if (memory.peak_bytes == 0) return "";
  std::string out =
      fmt::format("TEE memory   {} at its peak: {} weights, {} activations, {} scratch{}\n",
                  bytes_text(memory.peak_bytes), bytes_text(memory.weight_bytes),
                  bytes_text(memory.activation_bytes), bytes_text(memory.scratch_bytes),
                  memory.ring_bytes == 0 ? "" : ", " + bytes_text(memory.ring_bytes) + " ring");
  if (memory.streamed_weights != 0) {
    out += fmt::format("             {} of {} weights are streamed: {} opened a run\n",
                       memory.streamed_weights, memory.weights, bytes_text(memory.streamed_bytes));
  }
  if (memory.spilled_bytes != 0) {
    out += fmt::format(
        "             in parts of {} image{} at least; {} of activations sealed and opened a run\n",
        memory.least_images, memory.least_images == 1 ? "" : "s", bytes_text(memory.spilled_bytes));
  }
  if (memory.most_bands != 0) {
    out += fmt::format("             in up to {} bands of rows; {} of the TEE's MACs done twice\n",
                       memory.most_bands,
                       percent(static_cast<double>(memory.repeated_macs) /
                               static_cast<double>(std::max<uint64_t>(report.macs_tee, 1))));
  }
  return out;
}

json asked_json(const Report& report) {
  json parts = json::array();
  for (const AskedPart& part : report.asked) {
    parts.push_back({{"segment", part.segment},
                     {"params", part.params},
                     {"queries", part.queries},
                     {"activated", part.activated}});
  }
  return parts;
}

json weights_json(const std::vector<ExposedWeight>& weights) {
  json list = json::array();
  for (const ExposedWeight& weight : weights) {
    list.push_back({{"name", weight.name},
                    {"node", weight.node},
                    {"params", weight.params},
                    {"share", weight.share},
                    {"note", weight.note}});
  }
  return list;
}

}  // namespace

json summary_json(const Report& report) {
  json sums = {{"model", report.model},
               {"strategy", report.strategy},
               {"macs_total", report.macs_total},
               {"macs_tee", report.macs_tee},
               {"tee_macs_share", report.macs_tee_share()},
               {"params_total", report.params_total},
               {"params_tee", report.params_tee},
               {"params_tee_published", report.params_tee_published},
               {"tee_params_share", report.params_tee_share()},
               {"crossings", report.crossings},
               {"tee_segments", report.tee_segments},
               {"device_segments", report.device_segments},
               {"bytes_to_device", report.bytes_to_device},
               {"bytes_to_tee", report.bytes_to_tee},
               {"private_params_total", report.private_params_total},
               {"private_params_exposed", report.private_params_exposed},
               {"private_params_exposed_share", report.private_params_exposed_share()},
               {"private_params_asked", report.private_params_asked},
               {"asked", asked_json(report)},
               {"warnings", report.warnings}};
  if (const TeeMemory& memory = report.tee_memory; memory.peak_bytes > 0) {
    sums["tee_memory_peak"] = memory.peak_bytes;
    sums["tee_memory"] = {{"weight_bytes", memory.weight_bytes},
                          {"ring_bytes", memory.ring_bytes},
                          {"scratch_bytes", memory.scratch_bytes},
                          {"activation_bytes", memory.activation_bytes},
                          {"weights", memory.weights},
                          {"streamed_weights", memory.streamed_weights},
                          {"streamed_bytes", memory.streamed_bytes},
                          {"spilled_bytes", memory.spilled_bytes},
                          {"repeated_macs", memory.repeated_macs},
                          {"least_images", memory.least_images},
                          {"most_bands", memory.most_bands}};
  }
  return sums;
}

Result<Report> read_summary(const json& json) {
  Report report;
  bool is_whole = json.is_object();
  const auto number = [&](const auto& in, const char* name, auto& to) {
    const auto found = is_whole ? in.find(name) : in.end();
    is_whole = is_whole && found != in.end() && found->is_number_unsigned();
    if (is_whole) to = found->template get<uint64_t>();
  };
  const auto text = [&](const char* name, std::string& to) {
    const auto found = is_whole ? json.find(name) : json.end();
    is_whole = is_whole && found != json.end() && found->is_string();
    if (is_whole) to = found->template get<std::string>();
  };
  text("model", report.model);
  text("strategy", report.strategy);
  number(json, "macs_total", report.macs_total);
  number(json, "macs_tee", report.macs_tee);
  number(json, "params_total", report.params_total);
  number(json, "params_tee", report.params_tee);
  number(json, "params_tee_published", report.params_tee_published);
  number(json, "crossings", report.crossings);
  number(json, "tee_segments", report.tee_segments);
  number(json, "device_segments", report.device_segments);
  number(json, "bytes_to_device", report.bytes_to_device);
  number(json, "bytes_to_tee", report.bytes_to_tee);
  number(json, "private_params_total", report.private_params_total);
  number(json, "private_params_exposed", report.private_params_exposed);
  // A package from before this was counted has it not.
  if (is_whole && json.contains("private_params_asked")) {
    number(json, "private_params_asked", report.private_params_asked);
  }
  const auto warnings = is_whole ? json.find("warnings") : json.end();
  is_whole = is_whole && warnings != json.end() && warnings->is_array();
  if (is_whole) {
    for (const auto& warning : *warnings) {
      if (warning.is_string()) report.warnings.push_back(warning.template get<std::string>());
    }
  }
  if (!is_whole) return invalid_argument("not a summary of a partition");
  return report;
}

std::string summary_text(const Report& report) {
  std::string out = fmt::format(
      "strategy     {}\n"
      "in the TEE   {} of {} MACs ({}), {} of {} parameters ({})\n"
      "crossings    {} tensors in {} TEE segments: {} into the TEE, {} out of it\n",
      report.strategy, report.macs_tee, report.macs_total, percent(report.macs_tee_share()),
      report.params_tee, report.params_total, percent(report.params_tee_share()), report.crossings,
      report.tee_segments, bytes_text(report.bytes_to_tee), bytes_text(report.bytes_to_device));
  out += memory_text(report);
  out += exposure_text(report);
  for (const std::string& warning : report.warnings) out += "warning: " + warning + "\n";
  return out;
}

std::string report_text(const Report& report) {
  std::vector<std::vector<std::string>> rows = {
      {"node", "operator", "place", "why", "MACs", "params", "in", "out"}};
  for (const ReportNode& node : report.nodes) {
    rows.push_back({node.name, node.op, ir::placement_name(node.placement), node.why,
                    count_or_dash(node.macs), count_or_dash(node.params),
                    bytes_or_dash(node.bytes_in), bytes_or_dash(node.bytes_out)});
  }
  return table(rows, 4) + "\n" + summary_text(report);
}

json report_json(const Report& report) {
  json out = summary_json(report);
  out["schema"] = 1;
  json& nodes = out["nodes"] = json::array();
  for (const ReportNode& node : report.nodes) {
    nodes.push_back({{"name", node.name},
                     {"origin", node.origin.empty() ? node.name : node.origin},
                     {"op", node.op},
                     {"placement", ir::placement_name(node.placement)},
                     {"why", node.why},
                     {"macs", node.macs},
                     {"params", node.params},
                     {"bytes_in", node.bytes_in},
                     {"bytes_out", node.bytes_out}});
  }
  out["exposed_weights"] = weights_json(report.exposed_weights);
  out["asked_weights"] = weights_json(report.asked_weights);
  json& activations = out["exposed_activations"] = json::array();
  for (const ExposedActivation& activation : report.exposed_activations) {
    activations.push_back({{"name", activation.name},
                           {"shape", activation.shape},
                           {"bytes", activation.bytes},
                           {"kind", exposure_kind_name(activation.kind)}});
  }
  return out;
}

std::string sweep_text(std::span<const Report> reports) {
  std::vector<std::vector<std::string>> rows = {{"strategy", "MACs in TEE", "share",
                                                 "params in TEE", "share", "crossings", "to TEE",
                                                 "to device", "exposed"}};
  for (const Report& report : reports) {
    rows.push_back({report.strategy, std::to_string(report.macs_tee),
                    percent(report.macs_tee_share()), std::to_string(report.params_tee_published),
                    percent(report.params_tee_share()), std::to_string(report.crossings),
                    bytes_text(report.bytes_to_tee), bytes_text(report.bytes_to_device),
                    percent(report.private_params_exposed_share())});
  }
  std::string text = table(rows, 1);
  const auto differs = [](const Report& r) { return r.params_tee != r.params_tee_published; };
  if (std::any_of(reports.begin(), reports.end(), differs)) {
    text +=
        "parameters as published sweeps count them: without the stem's batch-norm (the shares and "
        "--json "
        "count it)\n";
  }
  return text;
}

json sweep_json(std::span<const Report> reports) {
  json points = json::array();
  for (const Report& report : reports) points.push_back(summary_json(report));
  return {{"schema", 1}, {"points", std::move(points)}};
}

}  // namespace taoism::partition
