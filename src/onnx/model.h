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
// Under this one it says why its rows belong together: the graph is of one number of rows, and what
// it would be of another is not seen in it. Nothing is proven then.
inline constexpr const char* kRowsTogether = "taoism.rows";

struct ImportOptions {
  // What open first dimensions become; a shape that says another size contradicts it. 0: what the
  // shapes and the file say, 1 where neither does.
  int64_t batch = 0;
  // Shapes by input name. ir::Shape::kDynamic leaves a dimension to the file and to `batch`.
  std::vector<std::pair<std::string, ir::Shape>> input_shapes = {};
  // Inputs whose first dimension counts something else than rows, also where it is as large.
  std::vector<std::string> without_rows = {};
};

// An input as the file declares it.
struct DeclaredInput {
  std::string name;
  std::string dtype;  // "float32", ...
  bool has_shape = false;
  std::vector<int64_t> dims;           // ir::Shape::kDynamic where not fixed
  std::vector<std::string> dim_names;  // "N", or empty

  // "Nx3x?x?", printable; "scalar"; "of any shape".
  std::string shape_text() const;
};

// An input with dimensions whose size nothing says.
struct OpenInput {
  std::string name;          // printable
  std::string shape;         // as DeclaredInput::shape_text()
  std::vector<size_t> axes;  // none: it may have any shape
  std::string text() const;  // "input 'x' is Nx3xHxW, whose dimensions 2 and 3 are open"
};

// How often an operator is in a model, and whether there is an import for it.
struct OperatorCount {
  std::string op;      // printable
  std::string domain;  // empty: ONNX's own
  size_t nodes = 0;
  bool is_known = false;
};

// One thing in a model that cannot be run, and why.
struct Unsupported {
  std::string node;
  std::string op;
  std::string attribute;  // or empty
  std::string reason;
  std::string text() const;  // "Conv 'stem': attribute pads: ..."
};

// Whether the rows of a model's inputs may be run apart, a few at a time: each row of the outputs
// depends on the same row of the inputs alone, and not on how many there are. Proven on the graph.
struct RowProof {
  // Not ok, unsupported: the first node that mixes rows and how, or what else is in the way.
  Status independent;
  // The dimension of each input and output that counts rows; -1: it has none, and is the same for
  // all rows. Outputs: when independent is ok.
  std::vector<int> inputs, outputs;
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
  // What bind would lack under `options`, before it is tried. Errors: contradictions.
  Result<std::vector<OpenInput>> open_inputs(const ImportOptions& options = {}) const;
  // Of the nodes that the outputs need, by name: what can be said without any shape.
  std::vector<OperatorCount> operators() const;

  // The graph at a batch size; it shares the weights with this model and outlives it. Errors:
  // unsupported, one line that names the first of all things that are not; invalid_argument.
  Result<ir::Graph> bind(const ImportOptions& options = {}) const;
  // `options` for another number of rows: the inputs that have those of the first with an open
  // first dimension get `rows`. Errors: those of bind for `options`.
  Result<ImportOptions> with_rows(const ImportOptions& options, int64_t rows) const;
  // Holds for every number of rows; of a model with a fixed batch, for any number of batches.
  // Errors: those of bind.
  Result<RowProof> prove_rows(const ImportOptions& options) const;
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
