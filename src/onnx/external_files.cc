#include "onnx/external_files.h"

#include <set>

#include "onnx/guarded.h"
#include "onnx/model_file.h"
#include "onnx/model_folder.h"

namespace taoism::onnx {
namespace {

using Locations = std::set<std::string>;

void add_tensor(const ::onnx::TensorProto& tensor, Locations& found) {
  for (const auto& entry : tensor.external_data()) {
    if (entry.key() == "location") found.insert(entry.value());
  }
}

void add_sparse(const ::onnx::SparseTensorProto& tensor, Locations& found) {
  add_tensor(tensor.values(), found);
  add_tensor(tensor.indices(), found);
}

void add_graph(const ::onnx::GraphProto& graph, Locations& found);

// As deep as protobuf parses, a hundred graphs.
void add_node(const ::onnx::NodeProto& node, Locations& found) {
  for (const auto& attribute : node.attribute()) {
    add_tensor(attribute.t(), found);
    add_sparse(attribute.sparse_tensor(), found);
    add_graph(attribute.g(), found);
    for (const auto& tensor : attribute.tensors()) add_tensor(tensor, found);
    for (const auto& tensor : attribute.sparse_tensors()) add_sparse(tensor, found);
    for (const auto& graph : attribute.graphs()) add_graph(graph, found);
  }
}

void add_graph(const ::onnx::GraphProto& graph, Locations& found) {
  for (const auto& tensor : graph.initializer()) add_tensor(tensor, found);
  for (const auto& tensor : graph.sparse_initializer()) add_sparse(tensor, found);
  for (const auto& node : graph.node()) add_node(node, found);
}

Result<std::vector<std::string>> list_files(const std::string& path) {
  TAOISM_ASSIGN_OR_RETURN(const ModelFolder folder, ModelFolder::of(path));
  ::onnx::ModelProto proto;
  TAOISM_RETURN_IF_ERROR(parse_model(folder.model(), proto));
  Locations locations;
  add_graph(proto.graph(), locations);
  for (const auto& function : proto.functions()) {
    for (const auto& node : function.node()) add_node(node, locations);
  }
  std::vector<std::string> paths;
  for (const std::string& location : locations) {
    const Result<SourceFile> file = folder.open(location);
    if (file.ok()) paths.push_back(file->path());
  }
  return paths;
}

}  // namespace

Result<std::vector<std::string>> external_files(const std::string& path) {
  return guarded([&] { return list_files(path); });
}

}  // namespace taoism::onnx
