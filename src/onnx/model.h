// A model from an ONNX file, opset 7 to 28, and the graphs it gives at a batch size. Import ends
// in the operators of ops/ with static shapes; Conv and BatchNormalization stay apart, so that a
// plan accounts for the model as its author wrote it. The file is hostile: whatever it holds, load
// and bind end in a Status. Nothing of protobuf shows here, and no exception leaves. Thread-safety:
// const functions may be called from several threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ir/graph.h"

namespace taoism::onnx {

inline constexpr int64_t kMinOpset = 7;
inline constexpr int64_t kMaxOpset = 28;

// A model's metadata under this key names the weights that are no secret, a name a line. All others
// are private.
inline constexpr const char* kPublicTensors = "taoism.public";

struct ImportOptions {
  // What dynamic batch dimensions become. 0: the batch that the file declares, 1 where it is
  // dynamic.
  int64_t batch = 1;
  // Shapes by input name, for inputs with other dynamic dimensions; they count before `batch`.
  std::vector<std::pair<std::string, ir::Shape>> input_shapes = {};
};

// An input as the file declares it.
struct DeclaredInput {
  std::string name;
  std::string dtype;  // "float32", ...
  bool has_shape = false;
  std::vector<int64_t> dims;           // ir::Shape::kDynamic where not fixed
  std::vector<std::string> dim_names;  // "N", or empty
};

// One thing in a model that cannot be run, and why.
struct Unsupported {
  std::string node;
  std::string op;
  std::string attribute;  // or empty
  std::string reason;
  std::string text() const;  // "Conv 'stem': attribute pads: ..."
};

class Model {
 public:
  // Reads the file and the external data it names, which must lie in its folder. Errors: not_found,
  // invalid_argument (no ONNX, truncated, a cycle, a missing or twice produced tensor), unsupported
  // (opset), resource_exhausted.
  static Result<Model> load(const std::string& path);

  // SHA-256 in hex over the file and its external data (for one file, what sha256sum prints).
  // Errors: invalid_argument when a file has changed since it was loaded.
  Result<std::string> hash() const;

  const std::string& name() const;
  int64_t opset() const;
  int64_t ir_version() const;
  const std::string& producer() const;  // "pytorch 2.13.0", or empty
  const std::vector<std::pair<std::string, std::string>>& metadata() const;
  const std::vector<DeclaredInput>& inputs() const;
  // Whether the first dimension of some input is not fixed.
  bool batch_is_dynamic() const;

  // The graph at a batch size; it shares the weights with this model and outlives it. Errors:
  // unsupported, one line that names the first of all things that are not; invalid_argument.
  Result<ir::Graph> bind(const ImportOptions& options = {}) const;
  // Everything that bind would refuse as unsupported. Errors: bind's others.
  Result<std::vector<Unsupported>> unsupported(const ImportOptions& options = {}) const;

  struct File;  // internal

 private:
  explicit Model(std::shared_ptr<const File> file) : file_(std::move(file)) {}
  std::shared_ptr<const File> file_;
};

// Weights that are NaN or infinite: accepted, but worth a warning.
size_t count_nonfinite(const ir::Graph& graph);

}  // namespace taoism::onnx
