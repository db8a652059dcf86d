#include "package/manifest.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "base/text.h"

namespace taoism::package {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr size_t kMaxEntries = 1 << 20;

// Reads fields; the first that is missing or wrong makes everything after it fail too.
class Reader {
 public:
  const std::string& wrong() const { return wrong_; }
  bool ok() const { return wrong_.empty(); }

  const json* find(const json& in, const char* name) {
    if (!ok()) return nullptr;
    const auto found = in.is_object() ? in.find(name) : in.end();
    if (!in.is_object() || found == in.end()) {
      wrong_ = std::string("no '") + name + "'";
      return nullptr;
    }
    return &*found;
  }
  void fail(const char* name) {
    if (ok()) wrong_ = std::string("'") + name + "' is not what it must be";
  }
  std::string text(const json& in, const char* name) {
    const json* value = find(in, name);
    if (value == nullptr || !value->is_string()) return fail(name), "";
    return printable(value->get_ref<const std::string&>());
  }
  // The same in several lines.
  std::string lines(const json& in, const char* name) {
    const json* value = find(in, name);
    if (value == nullptr || !value->is_string()) return fail(name), "";
    std::string text;
    std::istringstream stream(value->get_ref<const std::string&>());
    for (std::string line; std::getline(stream, line);) text += printable_text(line) + "\n";
    return text;
  }
  uint64_t number(const json& in, const char* name) {
    const json* value = find(in, name);
    if (value == nullptr || !value->is_number_unsigned()) return fail(name), 0;
    return value->get<uint64_t>();
  }
  const json& list(const json& in, const char* name, size_t most) {
    static const json empty = json::array();
    const json* value = find(in, name);
    if (value == nullptr || !value->is_array() || value->size() > most) return fail(name), empty;
    return *value;
  }
  ir::TensorDesc desc(const json& in) {
    ir::TensorDesc desc;
    const std::string dtype = text(in, "dtype");
    bool known = false;
    for (const ir::DType candidate : ir::kDTypes) {
      if (dtype != ir::dtype_name(candidate)) continue;
      desc.dtype = candidate;
      known = true;
    }
    if (!known) fail("dtype");
    for (const json& dim : list(in, "shape", ir::kMaxRank)) {
      const bool is_dim = dim.is_number_unsigned() && dim.get<uint64_t>() <= ir::kMaxElements;
      if (!is_dim) fail("shape");
      desc.shape.push_back(is_dim ? dim.get<int64_t>() : 0);
    }
    if (!desc.shape.is_bounded()) fail("shape");
    return desc;
  }

 private:
  std::string wrong_;
};

// Without the message, which names a node that may be secret.
ordered_json rows_json(const onnx::RowProof& rows) {
  return {
      {"independent", rows.independent.ok()}, {"inputs", rows.inputs}, {"outputs", rows.outputs}};
}

std::vector<int> read_axes(Reader& reader, const json& in, const char* name) {
  std::vector<int> axes;
  for (const json& axis : reader.list(in, name, kMaxEntries)) {
    const auto none = -1, most = static_cast<int>(ir::kMaxRank) - 1;
    const bool known = axis.is_number_integer() && axis >= none && axis <= most;
    if (!known) reader.fail(name);
    axes.push_back(known ? axis.get<int>() : none);
  }
  return axes;
}

// Packages had no proof once: of such a one nothing is known.
onnx::RowProof read_rows(Reader& reader, const json& in) {
  onnx::RowProof rows;
  if (!in.is_object() || !in.contains("rows")) {
    rows.independent = unsupported("it was sealed before that was proven: seal it again");
    return rows;
  }
  const json* found = reader.find(in, "rows");
  if (found == nullptr) return rows;
  rows.inputs = read_axes(reader, *found, "inputs");
  rows.outputs = read_axes(reader, *found, "outputs");
  const json* independent = reader.find(*found, "independent");
  if (independent == nullptr) return rows;
  if (!independent->is_boolean()) reader.fail("independent");
  if (*independent != true) {
    rows.independent = unsupported("its model mixes them, or is of one batch alone");
  }
  return rows;
}

BatchEntry read_batch(Reader& reader, const json& in) {
  BatchEntry entry;
  const uint64_t batch = reader.number(in, "batch");
  if (batch == 0 || batch > ir::kMaxElements) reader.fail("batch");
  entry.batch = static_cast<int64_t>(batch);
  entry.most_spill_bytes = reader.number(in, "most_spill_bytes");
  if (entry.most_spill_bytes > ir::kMaxElements) reader.fail("most_spill_bytes");
  for (const json& bytes : reader.list(in, "whole_memory_bytes", 64)) {
    if (!bytes.is_number_unsigned()) reader.fail("whole_memory_bytes");
    if (reader.ok()) entry.whole_memory_bytes.push_back(bytes.get<uint64_t>());
  }
  if (const json* summary = reader.find(in, "summary"); summary != nullptr) {
    if (!summary->is_object()) reader.fail("summary");
    entry.summary = summary->dump(-1, ' ', false, json::error_handler_t::replace);
  }
  entry.summary_text = reader.lines(in, "summary_text");
  return entry;
}

}  // namespace

std::string write_manifest(const Manifest& manifest) {
  ordered_json out;
  out["model"] = manifest.model;
  out["model_id"] = manifest.model_id;
  out["plan_id"] = manifest.plan_id;
  out["strategy"] = manifest.strategy;
  out["kernel_target"] = manifest.kernel_target;
  out["constants"] = ordered_json::array();
  for (const ir::TensorDesc& constant : manifest.constants) {
    ordered_json entry;
    entry["dtype"] = ir::dtype_name(constant.dtype);
    entry["shape"] = std::vector<int64_t>(constant.shape.begin(), constant.shape.end());
    out["constants"].push_back(std::move(entry));
  }
  out["rows"] = rows_json(manifest.rows);
  out["batches"] = ordered_json::array();
  for (const BatchEntry& batch : manifest.batches) {
    ordered_json entry;
    entry["batch"] = batch.batch;
    entry["most_spill_bytes"] = batch.most_spill_bytes;
    entry["whole_memory_bytes"] = batch.whole_memory_bytes;
    entry["summary"] = ordered_json::parse(batch.summary, nullptr, false);
    entry["summary_text"] = batch.summary_text;
    out["batches"].push_back(std::move(entry));
  }
  return out.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

Result<Manifest> read_manifest(std::string_view text) {
  // Nothing in it is nested deeply: what is cannot be a manifest, and would be costly to take
  // apart.
  constexpr int kMaxDepth = 16;
  const json in = json::parse(
      text, [](int depth, json::parse_event_t, json&) { return depth <= kMaxDepth; },
      /*allow_exceptions=*/false);
  if (!in.is_object()) return integrity_error("the manifest is no JSON object");
  Reader reader;
  Manifest manifest;
  manifest.model = reader.text(in, "model");
  manifest.model_id = reader.text(in, "model_id");
  manifest.plan_id = reader.text(in, "plan_id");
  manifest.strategy = reader.text(in, "strategy");
  manifest.kernel_target = reader.text(in, "kernel_target");
  for (const json& entry : reader.list(in, "constants", kMaxEntries)) {
    manifest.constants.push_back(reader.desc(entry));
    if (!reader.ok()) break;
  }
  manifest.rows = read_rows(reader, in);
  int64_t last = 0;
  for (const json& entry : reader.list(in, "batches", kMaxBatches)) {
    manifest.batches.push_back(read_batch(reader, entry));
    if (manifest.batches.back().batch <= last) reader.fail("batches");
    last = manifest.batches.back().batch;
    if (!reader.ok()) break;
  }
  if (manifest.batches.empty()) reader.fail("batches");
  if (!reader.ok()) return integrity_error("the manifest: " + reader.wrong());
  return manifest;
}

}  // namespace taoism::package
