#include "onnx/model_file.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>

#include <algorithm>
#include <cctype>
#include <functional>
#include <limits>
#include <unordered_set>

#include "host/memory.h"

namespace taoism::onnx {
namespace {

using ::onnx::GraphProto;
using ::onnx::NodeProto;

Status unreadable_file(const std::string& path, const std::string& why) {
  return invalid_argument("'" + path + "' cannot be read as ONNX: " + why);
}

Status read_opset(Model::File& file) {
  for (const auto& import : file.proto.opset_import()) {
    if (!is_default_domain(import.domain())) continue;
    if (file.opset != 0 && file.opset != import.version()) {
      return invalid_argument("the model imports two opsets, " + std::to_string(file.opset) +
                              " and " + std::to_string(import.version()));
    }
    file.opset = import.version();
  }
  if (file.opset < kMinOpset || file.opset > kMaxOpset) {
    return unsupported("opset " + std::to_string(file.opset) + " is not supported: export with " +
                       std::to_string(kMinOpset) + " to " + std::to_string(kMaxOpset));
  }
  return {};
}

ConstantPtr scalar_or_list(const ::onnx::AttributeProto& attribute) {
  if (attribute.name() == "value_float") {
    const float value = attribute.f();
    return ir::make_f32_constant({}, {&value, 1});
  }
  if (attribute.name() == "value_int") {
    const int64_t value = attribute.i();
    return ir::make_i64_constant({}, {&value, 1});
  }
  if (attribute.name() == "value_floats") {
    const std::vector<float> values(attribute.floats().begin(), attribute.floats().end());
    return ir::make_f32_constant({attribute.floats_size()}, values);
  }
  if (attribute.name() == "value_ints") {
    const std::vector<int64_t> values(attribute.ints().begin(), attribute.ints().end());
    return ir::make_i64_constant({attribute.ints_size()}, values);
  }
  return nullptr;
}

// Takes a tensor's data over; one of a type that nobody can use is only a problem if it is read.
Status take_tensor(Model::File& file, const std::string& name, ::onnx::TensorProto& tensor,
                   ExternalFiles& external) {
  auto constant = read_tensor(tensor, &external);
  if (constant.ok()) {
    file.constants.emplace(name, std::move(*constant));
  } else if (constant.code() == Code::unsupported) {
    file.unreadable.emplace(name, constant.status().message());
  } else {
    return constant.status();
  }
  tensor.Clear();
  return {};
}

Status read_constants(Model::File& file, ExternalFiles& external) {
  GraphProto& graph = *file.proto.mutable_graph();
  for (auto& tensor : *graph.mutable_initializer()) {
    const std::string name = tensor.name();
    if (file.constants.contains(name) || file.unreadable.contains(name)) {
      return invalid_argument("two initialisers are named '" + printable(name) + "'");
    }
    TAOISM_RETURN_IF_ERROR(take_tensor(file, name, tensor, external));
  }
  for (const auto& tensor : graph.sparse_initializer()) {
    file.unreadable.emplace(tensor.values().name(), "is a sparse tensor");
  }
  for (NodeProto& node : *graph.mutable_node()) {
    if (node.op_type() != "Constant" || !is_default_domain(node.domain())) continue;
    if (node.output_size() != 1 || node.attribute_size() != 1) {
      return invalid_argument("node '" + printable(node.name()) +
                              "': Constant takes one attribute and gives one output");
    }
    auto& attribute = *node.mutable_attribute(0);
    const std::string& name = node.output(0);
    if (file.constants.contains(name) || file.unreadable.contains(name)) {
      return invalid_argument("tensor '" + printable(name) + "' is produced twice");
    }
    if (attribute.name() == "value" && attribute.has_t()) {
      TAOISM_RETURN_IF_ERROR(take_tensor(file, name, *attribute.mutable_t(), external));
    } else if (auto constant = scalar_or_list(attribute)) {
      file.constants.emplace(name, std::move(constant));
    } else {
      file.unreadable.emplace(name, "Constant of kind " + printable(attribute.name()));
    }
  }
  return {};
}

// Some exporters write "?", "-1" or "None" for each dimension that has no name.
bool is_name(const std::string& text) {
  const auto is_letter = [](unsigned char c) { return std::isalpha(c) != 0 || c >= 0x80; };
  return text != "None" && std::any_of(text.begin(), text.end(), is_letter);
}

std::string type_name(const ::onnx::TypeProto& type) {
  switch (type.value_case()) {
    case ::onnx::TypeProto::kTensorType: return element_type_name(type.tensor_type().elem_type());
    case ::onnx::TypeProto::kSequenceType: return "a sequence";
    case ::onnx::TypeProto::kMapType: return "a map";
    case ::onnx::TypeProto::kOptionalType: return "an optional value";
    case ::onnx::TypeProto::kSparseTensorType: return "a sparse tensor";
    default: return "of no type";
  }
}

void read_inputs(Model::File& file) {
  for (const auto& input : file.proto.graph().input()) {
    // Before IR version 4 every initialiser was listed as an input too.
    if (file.constants.contains(input.name()) || file.unreadable.contains(input.name())) continue;
    const auto& type = input.type().tensor_type();
    DeclaredInput declared;
    declared.name = input.name();
    declared.dtype = type_name(input.type());
    declared.has_shape = type.has_shape();
    for (const auto& dim : type.shape().dim()) {
      const bool fixed = dim.has_dim_value() && dim.dim_value() >= 0;
      declared.dims.push_back(fixed ? dim.dim_value() : ir::Shape::kDynamic);
      declared.dim_names.push_back(is_name(dim.dim_param()) ? dim.dim_param() : "");
    }
    file.inputs.push_back(std::move(declared));
    file.input_types.push_back(input.type().has_tensor_type() ? type.elem_type() : 0);
  }
}

using Producers = std::unordered_map<std::string, int>;
constexpr int kNotANode = -1;  // a graph input or a constant

Result<Producers> find_producers(const Model::File& file) {
  Producers producers;
  for (const auto& [name, constant] : file.constants) producers.emplace(name, kNotANode);
  for (const auto& [name, reason] : file.unreadable) producers.emplace(name, kNotANode);
  for (const DeclaredInput& input : file.inputs) {
    if (!producers.emplace(input.name, kNotANode).second) {
      return invalid_argument("two inputs are named '" + printable(input.name) + "'");
    }
  }
  const GraphProto& graph = file.proto.graph();
  for (int n = 0; n < graph.node_size(); ++n) {
    const NodeProto& node = graph.node(n);
    if (node.op_type() == "Constant" && is_default_domain(node.domain())) continue;
    for (const std::string& output : node.output()) {
      if (output.empty() || producers.emplace(output, n).second) continue;
      return invalid_argument("tensor '" + printable(output) + "' is produced twice");
    }
  }
  return producers;
}

// The nodes that the outputs need, each after those it reads from; otherwise in the file's order.
Status find_order(Model::File& file) {
  TAOISM_ASSIGN_OR_RETURN(const Producers producers, find_producers(file));
  const GraphProto& graph = file.proto.graph();
  std::vector<bool> live(static_cast<size_t>(graph.node_size()), false);
  std::vector<int> pending;
  const auto need = [&](const std::string& tensor, const std::string& reader) -> Status {
    const auto it = producers.find(tensor);
    if (it == producers.end()) {
      return invalid_argument(reader + " reads '" + printable(tensor) +
                              "', which nothing produces");
    }
    if (it->second != kNotANode && !live[static_cast<size_t>(it->second)]) {
      live[static_cast<size_t>(it->second)] = true;
      pending.push_back(it->second);
    }
    return {};
  };
  if (graph.output_size() == 0) return invalid_argument("the model's graph has no output");
  for (const auto& output : graph.output()) {
    TAOISM_RETURN_IF_ERROR(need(output.name(), "the graph's output"));
  }
  while (!pending.empty()) {
    const int n = pending.back();
    pending.pop_back();
    for (const std::string& input : graph.node(n).input()) {
      if (input.empty()) continue;
      TAOISM_RETURN_IF_ERROR(need(input, "node '" + file.names[static_cast<size_t>(n)] + "'"));
    }
  }
  std::vector<int> missing(live.size(), 0);
  std::vector<std::vector<int>> readers(live.size());
  std::vector<int> ready;  // a heap, the earliest first
  size_t live_count = 0;
  for (size_t n = 0; n < live.size(); ++n) {
    if (!live[n]) continue;
    ++live_count;
    for (const std::string& input : graph.node(static_cast<int>(n)).input()) {
      const int producer = input.empty() ? kNotANode : producers.at(input);
      if (producer == kNotANode) continue;
      readers[static_cast<size_t>(producer)].push_back(static_cast<int>(n));
      ++missing[n];
    }
    if (missing[n] == 0) ready.push_back(static_cast<int>(n));
  }
  std::make_heap(ready.begin(), ready.end(), std::greater<>());
  while (!ready.empty()) {
    std::pop_heap(ready.begin(), ready.end(), std::greater<>());
    const int n = ready.back();
    ready.pop_back();
    file.order.push_back(n);
    live[static_cast<size_t>(n)] = false;
    for (const int reader : readers[static_cast<size_t>(n)]) {
      if (--missing[static_cast<size_t>(reader)] > 0) continue;
      ready.push_back(reader);
      std::push_heap(ready.begin(), ready.end(), std::greater<>());
    }
  }
  if (file.order.size() == live_count) return {};
  const auto stuck = static_cast<size_t>(std::find(live.begin(), live.end(), true) - live.begin());
  return invalid_argument("node '" + file.names[stuck] +
                          "' is on a cycle, or waits for one: a model's graph must be acyclic");
}

// The file's names where they are there and unique, Op_index elsewhere.
void name_nodes(Model::File& file) {
  const GraphProto& graph = file.proto.graph();
  std::unordered_set<std::string> given, used;
  for (const NodeProto& node : graph.node()) given.insert(printable(node.name()));
  for (int n = 0; n < graph.node_size(); ++n) {
    std::string name = printable(graph.node(n).name());
    if (name.empty() || used.contains(name)) {
      name = printable(graph.node(n).op_type()) + "_" + std::to_string(n);
      while (given.contains(name) || used.contains(name)) name += "_";
    }
    used.insert(name);
    file.names.push_back(std::move(name));
  }
}

// A name a line.
void read_public_tensors(std::string_view names, Model::File& file) {
  while (!names.empty()) {
    const size_t end = std::min(names.find('\n'), names.size());
    file.public_tensors.insert(printable(std::string(names.substr(0, end))));
    names.remove_prefix(std::min(end + 1, names.size()));
  }
}

}  // namespace

Result<ConstantPtr> ComputedWeights::get(const ir::Constant& constant) const {
  const std::lock_guard lock(mutex_);
  auto& made = made_[&constant];
  if (ConstantPtr alive = made.lock()) return alive;
  const ir::TensorDesc desc{computed_as(constant.desc.dtype), constant.desc.shape};
  TAOISM_RETURN_IF_ERROR(host::check_memory(desc.bytes()));
  auto [computed, data] = ir::make_constant(desc);
  convert_elements(constant, computed->desc.dtype, data);
  made = computed;
  return ConstantPtr(std::move(computed));
}

Status parse_model(const SourceFile& source, ::onnx::ModelProto& proto) {
  constexpr uint64_t kProtobufLimitBytes = (uint64_t{1} << 31) - 1;
  if (source.size() > kProtobufLimitBytes) {
    return unreadable_file(source.path(),
                           "it is over 2 GiB; save the model with its tensors as external data");
  }
  if (source.size() == 0) return unreadable_file(source.path(), "it is empty");
  TAOISM_RETURN_IF_ERROR(host::check_memory(source.size()).annotate("'" + source.path() + "'"));
  google::protobuf::io::FileInputStream stream(source.descriptor());
  google::protobuf::io::CodedInputStream coded(&stream);
  coded.SetTotalBytesLimit(std::numeric_limits<int>::max());
  if (!proto.ParseFromCodedStream(&coded) || !coded.ConsumedEntireMessage()) {
    return unreadable_file(source.path(), "it is truncated or no protobuf");
  }
  if (!proto.has_graph()) return unreadable_file(source.path(), "it has no graph");
  if (proto.graph().node_size() == 0) return unreadable_file(source.path(), "its graph is empty");
  return {};
}

Result<std::shared_ptr<const Model::File>> read_model_file(const std::string& path) {
  auto file = std::make_shared<Model::File>();
  TAOISM_ASSIGN_OR_RETURN(ModelFolder folder, ModelFolder::of(path));
  TAOISM_RETURN_IF_ERROR(parse_model(folder.model(), file->proto));
  TAOISM_RETURN_IF_ERROR(read_opset(*file));
  ExternalFiles external(folder);
  TAOISM_RETURN_IF_ERROR(read_constants(*file, external).annotate("'" + path + "'"));
  std::vector<ConstantPtr> constants;
  for (const auto& [name, constant] : file->constants) constants.push_back(constant);
  TAOISM_ASSIGN_OR_RETURN(file->twins, find_twins(constants));
  read_inputs(*file);
  name_nodes(*file);
  TAOISM_RETURN_IF_ERROR(find_order(*file).annotate("'" + path + "'"));
  file->name = printable(file->proto.graph().name());
  file->producer = printable(file->proto.producer_name());
  if (!file->proto.producer_version().empty()) {
    file->producer += " " + printable(file->proto.producer_version());
  }
  for (const auto& entry : file->proto.metadata_props()) {
    file->metadata.emplace_back(printable(entry.key()), printable(entry.value()));
    if (entry.key() == kPublicTensors) read_public_tensors(entry.value(), *file);
    if (entry.key() == kRowsTogether) file->rows_together = printable(entry.value());
  }
  file->sources.push_back(std::move(folder).take_model());
  for (auto& [name, opened] : external.take()) file->sources.push_back(std::move(opened));
  return std::shared_ptr<const Model::File>(std::move(file));
}

}  // namespace taoism::onnx
