// --input and what goes with it: tensors from files for a model's inputs, and the shapes that the
// model is bound to because of them. Thread-safety: values.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "files/tensor_file.h"
#include "onnx/model.h"

namespace taoism::cli {

// In the order of a model's inputs; nothing where no file was given.
using InputTensors = std::vector<std::optional<files::Tensor>>;

struct ReadInputs {
  InputTensors tensors;
  std::vector<std::string> notes;  // lines that say what became of a picture
};

// "x=1x3x224x224"; N is a dimension that is left open. Errors: invalid_argument.
Result<std::pair<std::string, ir::Shape>> parse_input_shape(const std::string& text);

// What to write behind "NAME=" for an input: "Nx3xHxW", numbers in place of the letters.
std::string shape_hint(const onnx::DeclaredInput& input);

// "x.npy" or "name=x.npy"; a name only counts when the model has it.
struct NamedPath {
  std::string name;
  std::string path;
};
// Each of `texts` with the name it is for; without one only where there is one name. Errors:
// invalid_argument for a name twice or none.
Result<std::vector<NamedPath>> match_paths(const std::vector<std::string>& texts,
                                           const std::vector<std::string>& names, const char* flag);

struct InputFlags {
  std::vector<std::string> files;   // --input
  std::vector<std::string> shapes;  // --input-shape
  std::vector<std::string> types;   // --input-type
  bool convert = false;             // --convert
  std::string pixels = "rgb,0..1";  // --pixels

  void declare(CLI::App& app, const char* what);
  // The name of a flag that was given, or null.
  const char* given() const;

  // The files' tensors, each of its input's element type and of a shape that its input can have.
  // Errors: not_found, invalid_argument, naming the file and the mend.
  Result<ReadInputs> read(std::span<const onnx::DeclaredInput> inputs) const;
  // What `model` is bound to: the files' shapes, those of --input-shape, and `batch`; 0: what they
  // say. A first dimension that the model fixes stays, where a file has several times as many rows.
  // Errors: invalid_argument naming what is still open, with the flags that say it.
  Result<onnx::ImportOptions> import_options(const onnx::Model& model, const InputTensors& tensors,
                                             int64_t batch) const;
};

}  // namespace taoism::cli
