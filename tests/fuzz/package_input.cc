#include "package_input.h"

#include <nlohmann/json.hpp>
#include <random>

#include "base/text.h"
#include "ir/codec.h"
#include "package/package_file.h"
#include "partition/explain.h"

namespace taoism::fuzz {
namespace {

using nlohmann::json;
using package::Header;

ConstByteSpan bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::string hex_digest(const std::string& bytes) {
  return hex(crypto::sha256(bytes_of(bytes)).value());
}

class Assembler {
 public:
  explicit Assembler(std::vector<std::string> parts) : parts_(std::move(parts)) {}

  std::string run() {
    for (size_t p = 1; p < parts_.size(); ++p) {
      offsets_.push_back(data_.size());
      data_ += parts_[p];
      data_.resize(round_up(data_.size(), kAlignment));
    }
    json manifest = json::parse(parts_[0], nullptr, false);
    std::string text = parts_[0];
    if (manifest.is_object()) {
      complete(manifest);
      text = manifest.dump(-1, ' ', false, json::error_handler_t::replace);
    }
    Header header;
    header.version = 1;
    header.manifest_bytes = text.size();
    header.data_offset = round_up(sizeof(header) + text.size(), kAlignment);
    header.file_bytes = header.data_offset + data_.size();
    std::string file(reinterpret_cast<const char*>(&header), sizeof(header));
    file += text;
    file.resize(header.data_offset);
    return file + data_;
  }

 private:
  void complete(json& manifest) {
    for (const char* name : {"model", "model_sha256", "plan_sha256", "strategy"}) {
      fill(manifest, name, "");
    }
    fill(manifest, "kernel_target", "portable");
    fill(manifest, "plan", 0U);
    fill(manifest, "constants", json::array());
    place(manifest, "plan", nullptr);
    each(manifest, "constants", [&](json& entry) { place(entry, "data", "sha256"); });
    each(manifest, "batches", [&](json& entry) {
      place(entry, "graph", "graph_sha256");
      place(entry, "program", nullptr);
      place(entry, "weights", nullptr);
      fill(entry, "most_spill_bytes", 0U);
      fill(entry, "whole_memory_bytes", json::array({4096U}));
      fill(entry, "summary", json::parse(partition::summary_json({}).dump(), nullptr, false));
      fill(entry, "summary_text", "");
    });
  }
  static void fill(json& in, const char* name, const json& value) {
    if (!in.contains(name)) in[name] = value;
  }
  template <typename Act>
  static void each(json& in, const char* name, Act act) {
    if (!in.contains(name) || !in[name].is_array()) return;
    for (json& entry : in[name]) {
      if (entry.is_object()) act(entry);
    }
  }
  void place(json& in, const char* name, const char* digest) {
    if (!in.contains(name) || !in[name].is_number_unsigned()) return;
    const auto section = in[name].get<uint64_t>();
    if (section >= offsets_.size()) return;
    if (digest != nullptr) fill(in, digest, hex_digest(parts_[section + 1]));
    in[name] = {{"offset", offsets_[section]}, {"bytes", parts_[section + 1].size()}};
  }

  const std::vector<std::string> parts_;
  std::vector<uint64_t> offsets_;
  std::string data_;
};

// Changes one thing of a graph, in range but seldom valid.
class Mutator {
 public:
  Mutator(ir::PartitionedGraph& partition, unsigned seed)
      : partition_(partition), graph_(partition.graph), random_(seed) {}

  void run() {
    if (graph_.node_count() == 0 || graph_.value_count() == 0) return;
    ir::Node& node = graph_.node(static_cast<ir::NodeId>(below(graph_.node_count())));
    ir::Segment* segment = partition_.segments.empty()
                               ? nullptr
                               : &partition_.segments[below(partition_.segments.size())];
    switch (below(10)) {
      case 0:
      case 1: {
        ir::TensorDesc& desc = graph_.value(any_value()).desc;
        if (desc.shape.rank() == 0) return;
        ir::Shape shape;
        const size_t at = below(desc.shape.rank());
        for (size_t d = 0; d < desc.shape.rank(); ++d) {
          if (d == at && below(8) == 0) continue;
          shape.push_back(d == at ? number() : desc.shape[d]);
        }
        desc.shape = shape;
        return;
      }
      case 2: graph_.value(any_value()).desc.dtype = static_cast<ir::DType>(below(9)); return;
      case 3:
        if (!node.inputs.empty()) node.inputs[below(node.inputs.size())] = any_value();
        return;
      case 4: node.inputs.push_back(below(4) == 0 ? ir::kNoValue : any_value()); return;
      case 5:
        if (!node.inputs.empty()) node.inputs.pop_back();
        return;
      case 6:
      case 7: change_attribute(node); return;
      case 8: {
        constexpr const char* kOps[] = {"Conv",    "Linear",  "Relu",   "Add",       "MaxPool",
                                        "Softmax", "Reshape", "Concat", "Transpose", "Gather",
                                        "Slice",   "Resize",  "Pad",    "Mean",      "Clip"};
        node.op = kOps[below(std::size(kOps))];
        return;
      }
      default:
        if (segment == nullptr) return;
        if (below(2) == 0) {
          segment->inputs.push_back(any_value());
        } else if (!segment->outputs.empty()) {
          segment->outputs[below(segment->outputs.size())] = any_value();
        }
    }
  }

 private:
  size_t below(size_t count) { return random_() % count; }
  ir::ValueId any_value() { return static_cast<ir::ValueId>(below(graph_.value_count())); }
  int64_t number() {
    constexpr int64_t kNumbers[] = {0,  1,  2,   3,   4,    5,       6,       7,         -1,
                                    16, 33, 255, 256, 4096, 1 << 20, 1 << 30, INT64_MAX, INT64_MIN};
    return kNumbers[below(below(4) == 0 ? std::size(kNumbers) : 8)];
  }
  void change_attribute(ir::Node& node) {
    constexpr const char* kNames[] = {"kernel_shape", "strides", "pads", "dilations", "group",
                                      "axis",         "axes",    "perm", "shape",     "ceil_mode"};
    const char* name = kNames[below(std::size(kNames))];
    if (below(3) == 0) {
      node.attrs.set(name, number());
    } else {
      std::vector<int64_t> list(below(5));
      for (int64_t& entry : list) entry = number();
      node.attrs.set(name, std::move(list));
    }
  }

  ir::PartitionedGraph& partition_;
  ir::Graph& graph_;
  std::mt19937 random_;
};

}  // namespace

std::string join_parts(const std::vector<std::string>& parts) {
  std::string input(1, kParts);
  for (const std::string& part : parts) {
    TAOISM_CHECK(part.size() <= UINT16_MAX);
    input += static_cast<char>(part.size() & 255U);
    input += static_cast<char>(part.size() >> 8U);
    input += part;
  }
  return input;
}

std::optional<std::vector<std::string>> split_parts(std::string_view input) {
  if (input.size() < 3 || input[0] != kParts) return std::nullopt;
  input.remove_prefix(1);
  std::vector<std::string> parts;
  while (input.size() >= 2) {
    const size_t bytes = static_cast<uint8_t>(input[0]) | size_t{static_cast<uint8_t>(input[1])}
                                                              << 8U;
    parts.emplace_back(input.substr(2, bytes));
    input.remove_prefix(std::min(input.size(), 2 + bytes));
  }
  return parts;
}

std::string package_file(std::string_view input) {
  if (auto parts = split_parts(input)) return Assembler(std::move(*parts)).run();
  return std::string(input.substr(std::min<size_t>(input.size(), 1)));
}

// Of the mutations of inputs of parts, half are of one part's bytes and half of a graph.
// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size)
    __attribute__((weak));

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  if (LLVMFuzzerMutate == nullptr) return size;
  auto parts = split_parts({reinterpret_cast<const char*>(data), size});
  if (!parts.has_value() || seed % 8 == 0) return LLVMFuzzerMutate(data, size, max_size);
  std::string& part = (*parts)[(seed / 8) % parts->size()];
  const json manifest = json::parse((*parts)[0], nullptr, false);
  bool is_graph = false;
  if (seed % 2 == 0 && manifest.is_object() && manifest.contains("constants")) {
    std::vector<std::shared_ptr<const ir::Constant>> constants;
    // As the manifest has them, as far as it is one.
    const std::string file = package_file({reinterpret_cast<const char*>(data), size});
    Header header;
    std::memcpy(&header, file.data(), sizeof(header));
    const auto read =
        package::read_manifest(std::string_view(file).substr(sizeof(header), header.manifest_bytes),
                               file.size() - header.data_offset);
    if (read.ok()) {
      for (const package::PublicConstant& constant : read->constants) {
        constants.push_back(std::make_shared<ir::Constant>(
            ir::Constant{constant.desc,
                         reinterpret_cast<const std::byte*>(file.data()) + header.data_offset +
                             constant.section.offset,
                         nullptr}));
      }
    }
    for (size_t p = 1; p < parts->size() && !is_graph; ++p) {
      auto graph = ir::decode(bytes_of((*parts)[p]), constants);
      if (!graph.ok()) continue;
      is_graph = true;
      Mutator(*graph, seed).run();
      const auto encoded = ir::encode(*graph, constants);
      (*parts)[p].assign(reinterpret_cast<const char*>(encoded.data()), encoded.size());
    }
  }
  if (!is_graph) {
    std::vector<uint8_t> bytes(part.begin(), part.end());
    const size_t most = std::min<size_t>(part.size() + 64, 4096);
    bytes.resize(std::max(most, part.size()));
    bytes.resize(LLVMFuzzerMutate(bytes.data(), part.size(), most));
    part.assign(bytes.begin(), bytes.end());
  }
  const std::string input = join_parts(*parts);
  if (input.size() > max_size) return size;
  std::copy(input.begin(), input.end(), data);
  return input.size();
}

}  // namespace taoism::fuzz
