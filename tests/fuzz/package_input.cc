#include "package_input.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "ir/codec.h"
#include "package/package_file.h"
#include "partition/explain.h"

namespace taoism::fuzz {
namespace {

using nlohmann::json;
using store::PartKind;

ConstByteSpan bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

const crypto::SigningKey& owner() {
  static const crypto::SigningKey owner = crypto::SigningKey::create().value();
  return owner;
}

class Assembler {
 public:
  explicit Assembler(std::vector<std::string> parts) : parts_(std::move(parts)) {}

  std::string run() {
    json manifest = json::parse(parts_[0], nullptr, false);
    std::string text = parts_[0];
    if (manifest.is_object()) {
      complete(manifest);
      text = manifest.dump(-1, ' ', false, json::error_handler_t::replace);
    }
    count_segments(text);
    add(PartKind::manifest, text);
    for (const auto& graph : graphs_) add(PartKind::graph, graph);
    for (size_t p = 0; p < programs_.size(); ++p) {
      add(PartKind::program, programs_[p]);
      table_.back().store = static_cast<uint32_t>(p);
      table_.back().count = segments_[p];
    }
    add(PartKind::plan, std::string(crypto::kTagBytes, 'p'));
    for (const auto& constant : constants_) add(PartKind::constant, constant);
    for (const auto& weights : weights_) add(PartKind::weights, weights);
    store::PackageHeader header;
    header.version = 1;
    store::PackageHead head = store::PackageHead::lay_out(header, table_);
    TAOISM_CHECK(head.sign(owner()).ok());
    const std::vector<std::byte> bytes = head.encode();
    std::string file(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    for (size_t p = 0; p < table_.size(); ++p) {
      file.resize(head.parts()[p].offset);
      file += contents_[p];
    }
    file.resize(head.header().file_bytes);
    return file;
  }

 private:
  void complete(json& manifest) {
    for (const char* name : {"model", "model_id", "plan_id", "strategy"}) fill(manifest, name, "");
    fill(manifest, "kernel_target", "portable");
    fill(manifest, "constants", json::array());
    each(manifest, "constants", [&](json& entry) { constants_.push_back(named(entry, "data")); });
    each(manifest, "batches", [&](json& entry) {
      graphs_.push_back(named(entry, "graph"));
      programs_.push_back(named(entry, "program") + std::string(crypto::kTagBytes, 't'));
      weights_.push_back(named(entry, "weights"));
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
  // The part that is named by its number.
  std::string named(const json& in, const char* name) const {
    if (!in.contains(name) || !in[name].is_number_unsigned()) return {};
    const auto number = in[name].get<uint64_t>();
    return number + 1 < parts_.size() ? parts_[number + 1] : std::string();
  }
  void add(PartKind kind, const std::string& bytes) {
    const bool is_next = !table_.empty() && table_.back().kind == static_cast<uint32_t>(kind);
    store::PackagePart part;
    part.kind = static_cast<uint32_t>(kind);
    part.index = is_next ? table_.back().index + 1 : 0;
    part.bytes = bytes.size();
    part.sha256 = crypto::sha256(bytes_of(bytes)).value();
    table_.push_back(part);
    contents_.push_back(bytes);
  }
  // As an owner would say them of graphs that can be read, so that more than that is reached.
  void count_segments(const std::string& text) {
    segments_.assign(graphs_.size(), 1);
    const auto read = package::read_manifest(text);
    if (!read.ok() || read->constants.size() != constants_.size()) return;
    std::vector<std::shared_ptr<const ir::Constant>> constants;
    for (size_t c = 0; c < constants_.size(); ++c) {
      if (read->constants[c].bytes() != constants_[c].size()) return;
      constants.push_back(std::make_shared<ir::Constant>(
          ir::Constant{read->constants[c], bytes_of(constants_[c]).data(), nullptr}));
    }
    for (size_t g = 0; g < graphs_.size(); ++g) {
      const auto graph = ir::decode(bytes_of(graphs_[g]), constants);
      if (!graph.ok()) continue;
      const auto count = std::ranges::count_if(graph->segments, [](const ir::Segment& segment) {
        return segment.placement == ir::Placement::tee;
      });
      segments_[g] = std::max(1U, static_cast<uint32_t>(count));
    }
  }

  const std::vector<std::string> parts_;
  std::vector<std::string> graphs_, programs_, weights_, constants_;
  std::vector<uint32_t> segments_;
  std::vector<store::PackagePart> table_;
  std::vector<std::string> contents_;
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
      case 2: graph_.value(any_value()).desc.dtype = static_cast<ir::DType>(below(15)); return;
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
    const auto head = store::PackageHead::read(bytes_of(file));
    const store::PackagePart* at = head.ok() ? head->find(PartKind::manifest, 0) : nullptr;
    if (at != nullptr) {
      const auto read =
          package::read_manifest(std::string_view(file).substr(at->offset, at->bytes));
      for (uint32_t c = 0; read.ok() && c < read->constants.size(); ++c) {
        const store::PackagePart* part = head->find(PartKind::constant, c);
        if (part == nullptr || part->bytes != read->constants[c].bytes()) break;
        constants.push_back(std::make_shared<ir::Constant>(
            ir::Constant{read->constants[c], bytes_of(file).data() + part->offset, nullptr}));
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
