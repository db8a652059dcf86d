// What Model::load keeps of a file: the graph's nodes in an order in which they can run, and its
// tensors as constants of ours. Internal to this folder.
#pragma once

#include <onnx/onnx_pb.h>

#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "onnx/model.h"
#include "onnx/tensor_proto.h"
#include "onnx/twins.h"

namespace taoism::onnx {

// A file's narrow integers as int64 and its 16-bit floats as float32, which is what models run
// with: made when a graph first needs them, shared by all graphs that are alive. Thread-safety: may
// be called from several threads.
class ComputedWeights {
 public:
  // `constant` must live as long as this.
  Result<ConstantPtr> get(const ir::Constant& constant) const;

 private:
  mutable std::mutex mutex_;
  mutable std::unordered_map<const ir::Constant*, std::weak_ptr<const ir::Constant>> made_;
};

struct Model::File {
  ::onnx::ModelProto proto;  // without the data of its tensors, which `constants` has taken over
  std::unordered_map<std::string, ConstantPtr> constants;
  ComputedWeights computed_weights;  // of `constants`
  Twins twins;                       // of `constants`
  // Constant nodes whose value is of a kind we do not read: output name and reason.
  std::unordered_map<std::string, std::string> unreadable;
  std::vector<int> order;          // live nodes, each after those it reads from
  std::vector<std::string> names;  // by node: unique, printable
  std::vector<DeclaredInput> inputs;
  std::vector<int32_t> input_types;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::unordered_set<std::string> public_tensors;  // of metadata kPublicTensors, printable
  std::optional<std::string> rows_together;        // metadata kRowsTogether, printable
  std::string name, producer;                      // printable
  int64_t opset = 0;
  std::vector<SourceFile> sources;  // the model, then its external data by name
};

// Parses the file alone. Errors: invalid_argument, resource_exhausted. May throw as the next.
Status parse_model(const SourceFile& source, ::onnx::ModelProto& proto);
// Parses and checks `path`. May throw what protobuf and the standard library throw.
Result<std::shared_ptr<const Model::File>> read_model_file(const std::string& path);

inline bool is_default_domain(const std::string& domain) {
  return domain.empty() || domain == "ai.onnx";
}

}  // namespace taoism::onnx
