// What the import of one node sees of the graph that is being built. One function an ONNX operator
// (import_*.cc) reads a node's inputs and attributes here and gives its outputs, as operators of
// ours, as constants, or as an input under another name. Internal to this folder.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "ir/graph.h"
#include "onnx/fold.h"
#include "onnx/model_file.h"
#include "onnx/node_attributes.h"
#include "onnx/rows.h"
#include "ops/op.h"

namespace taoism::onnx {

// What a tensor's name in the file stands for.
struct Tensor {
  std::string name;
  ir::ValueId id = ir::kNoValue;  // in the graph; constants enter it when a node reads them
  ConstantPtr constant;
  bool refused = false;  // what produces it cannot be run
  Rows rows = {};
  // Of a value in the graph, what ONNX has for its type; the value's own is this, or what it is
  // computed as. A constant has its own.
  ir::DType type = ir::DType::f32;
  // Of a constant; none: it follows from the graph alone.
  ir::OriginId origin = ir::kNoOrigin;

  bool exists() const { return id != ir::kNoValue || constant != nullptr || refused; }
};

// The graph under construction, shared by the imports of all its nodes.
struct GraphImport {
  explicit GraphImport(const Model::File& model_file) : file(model_file) {}

  const Model::File& file;
  ir::Graph graph;
  std::unordered_map<std::string, Tensor> tensors;
  std::unordered_map<std::string, int> readers;  // by tensor: live nodes and outputs
  std::unordered_map<const ir::Constant*, ir::ValueId> constant_ids;
  std::unordered_set<std::string> node_names;
  FoldBudget budget;
  int64_t rows = 1;           // that the graph is bound to
  bool rows_are_open = true;  // there may be others; else a number in the file may stand for them
  // By constant or value of a type that is not computed with, the one in that which is. Both
  // constants are held.
  std::unordered_map<const ir::Constant*, std::pair<ConstantPtr, ConstantPtr>> computed_constants;
  std::unordered_map<ir::ValueId, ir::ValueId> computed_values;

  ir::ValueId value_of(const Tensor& tensor);
  // The origin of `made`, which is computed from the constants of `tensors`: theirs, where it has
  // the elements of one as they lie there. `box`: the part of the first that it is cut from.
  ir::OriginId origin_of(const ir::Constant& made, std::span<const Tensor> tensors,
                         ir::Box box = {});
  // The constant, which must be one of those that a model can run with, as it is computed with.
  Result<ConstantPtr> computed(const Tensor& tensor);
  // A constant of the budget's.
  Result<ConstantPtr> converted(const ir::Constant& constant, ir::DType dtype);
  ir::DType type_of(const Tensor& tensor) const {
    return tensor.constant ? tensor.constant->desc.dtype : tensor.type;
  }
};

class NodeImport {
 public:
  NodeImport(GraphImport& import, const ::onnx::NodeProto& node, std::string name, int64_t opset);

  NodeAttributes attrs;

  int64_t opset() const { return opset_; }
  const std::string& op() const { return node_.op_type(); }  // the ONNX operator
  const std::string& name() const { return name_; }
  size_t inputs() const { return inputs_.size(); }
  size_t outputs() const { return static_cast<size_t>(node_.output_size()); }
  bool has(size_t i) const { return i < inputs_.size() && inputs_[i].exists(); }
  // Input `i` must be there. After computes() its constants are of the type they are computed as.
  const Tensor& input(size_t i) const { return inputs_[i]; }
  // The first `count` of them, absent ones too.
  std::span<const Tensor> all_inputs(size_t count) const { return {inputs_.data(), count}; }
  // ONNX's type of what the file gives as input `i`.
  ir::DType type(size_t i) const { return import_.type_of(given_[i]); }
  // The shape, and what the tensor is computed as.
  ir::TensorDesc desc(const Tensor& tensor) const;
  const ir::Shape& shape_of(const Tensor& tensor) const;
  const ir::Shape& shape(size_t i) const { return shape_of(inputs_[i]); }
  // Whether anybody reads output `i`.
  bool is_read(size_t i) const;

  // To be called before an import that computes: from here on inputs are float32, int64 or bool,
  // and what is given has the values of the type that ONNX wants. Errors: unsupported for types
  // that nothing is computed in, invalid_argument for inputs whose types should be one.
  Status computes();

  // Error unless inputs 0 to count-1 are there.
  Status expect_inputs(size_t count) const;
  // The integers of constant input `i`, or of attribute `name` where it is one; nothing when
  // absent.
  Result<std::optional<std::vector<int64_t>>> ints(size_t i, const char* name);
  // The same, where the operator requires it.
  Result<std::vector<int64_t>> required_ints(size_t i, const char* name);
  // The one number of constant input `i`; nothing when absent.
  Result<std::optional<float>> number(size_t i, const char* name);

  // Says that input `i`, a constant, is looked at for how it grows with the rows: without that,
  // what is made of one that grows is mixed. Its growth by element; empty: it does not grow.
  Growth use_growth(size_t i);
  // How the dimensions of a tensor grow.
  Growth growth(const Tensor& tensor) const { return growth_of(tensor.rows, desc(tensor).shape); }
  int64_t rows() const { return import_.rows; }
  bool rows_are_open() const { return import_.rows_are_open; }
  // The tensor with its rows mixed, unless they are or there are none.
  Tensor mixed(Tensor tensor, const char* how) const;

  // A node of ours; a constant where all inputs are and the operator is cheap to evaluate. `suffix`
  // tells apart several of one ONNX node.
  Result<Tensor> emit(const char* op, const std::vector<Tensor>& inputs, ir::Attrs attrs = {},
                      const char* suffix = "");
  // emit() that always appends a node. `shape_growth` of the shape in the attributes, where the
  // operator gets one: what does not grow with the rows of the inputs mixes them.
  Result<Tensor> emit_node(const char* op, const std::vector<Tensor>& inputs, ir::Attrs attrs = {},
                           const char* suffix = "", const Growth* shape_growth = nullptr);
  // Emits Reshape, unless the shape is the same for every number of rows. `growth` of `shape`.
  Result<Tensor> reshape(const Tensor& tensor, const ir::Shape& shape, const char* suffix = "",
                         const Growth* growth = nullptr);
  // Emits Expand to `shape`, unless it is the same for every number of rows; a node where it grows,
  // so that there is one whatever the number.
  Result<Tensor> expand(const Tensor& tensor, const ir::Shape& shape, const Growth& growth,
                        const char* suffix = "");
  // `made`, computed from the constants `from`, under a name.
  Tensor made_from(std::string name, ConstantPtr made, std::span<const Tensor> from,
                   ir::Box box = {}) {
    const ir::OriginId origin = import_.origin_of(*made, from, std::move(box));
    return {.name = std::move(name), .constant = std::move(made), .origin = origin};
  }
  // A constant to be filled. Errors: unsupported when there are too many of them.
  Result<Fresh> make_constant(const ir::TensorDesc& desc) {
    return import_.budget.make(desc.dtype, desc.shape);
  }
  // Emits Cast, unless the type is the same.
  Result<Tensor> cast(const Tensor& tensor, ir::DType dtype, const char* suffix = "");
  // Says that output `i` is `tensor`.
  Status give(Tensor tensor, size_t i = 0);
  // `tensor`, whatever its type, as Cast makes it of another; nothing where it is of that already.
  Result<Tensor> converted(const Tensor& tensor, ir::DType dtype);
  // A tensor of the graph whose value has ONNX's type.
  Result<Tensor> in_its_type(const Tensor& tensor);
  // " (input 0 is int8)", ... of inputs that are computed as another type, for an error that names
  // that one.
  std::string types_besides() const;
  // Whether constants alone can have what it computes (see find_evaluation), and it is known.
  bool needs_evaluation() const;

  // An error that names the attribute.
  Status refuse(const char* attribute, const std::string& reason);
  const std::string& refused_attribute() const { return refused_attribute_; }

 private:
  Result<Tensor> evaluate(const ops::OpDef& def, const std::vector<Tensor>& inputs,
                          const ir::Attrs& attrs);
  // Marks inputs of the ONNX node that the operator gets: what it makes follows from them.
  void use(const std::vector<Tensor>& inputs);
  // An input that grows and that nobody has looked at, or null.
  const Tensor* unused_growth() const;
  Rows rows_after(const ops::OpDef& def, const ops::NodeView& view,
                  const std::vector<Tensor>& inputs, const Growth* shape_growth) const;
  // The tensor by a value that is of the type in which it is computed.
  Result<Tensor> as_computed(const Tensor& tensor);
  // A Cast of the value as it is in the graph.
  Result<Tensor> cast_node(const Tensor& tensor, ir::DType dtype);
  Result<Tensor> append(const char* op, const std::vector<Tensor>& inputs, ir::Attrs attrs,
                        const std::string& suffix, const Growth* shape_growth = nullptr);
  // `tensor` with the values of the type that ONNX gives output `output`.
  Result<Tensor> as_result(Tensor tensor, size_t output);

  GraphImport& import_;
  const ::onnx::NodeProto& node_;
  std::string name_;
  int64_t opset_;
  std::vector<Tensor> given_;   // as in the file
  std::vector<Tensor> inputs_;  // as they are computed with
  bool computes_ = false;
  std::vector<bool> used_;  // of inputs_: that they grow is accounted for
  size_t first_value_;      // values from here on are this node's
  std::string refused_attribute_;
};

using Import = Status (*)(NodeImport& node);
struct ImportEntry {
  const char* op;  // the ONNX operator
  Import import;
  bool computes = true;  // NodeImport::computes() is called before
};
std::span<const ImportEntry> linear_imports();
std::span<const ImportEntry> pointwise_imports();
std::span<const ImportEntry> layout_imports();
std::span<const ImportEntry> resize_imports();
std::span<const ImportEntry> type_imports();
std::span<const ImportEntry> normalization_imports();
std::span<const ImportEntry> conv_transpose_imports();
std::span<const ImportEntry> einsum_imports();
// One operator of ours under the name of ONNX's, with the same inputs and attributes.
Status import_as_it_is(NodeImport& node);
// With import_as_it_is where no rule is needed. Nothing when the operator is not supported.
std::optional<ImportEntry> find_import(std::string_view op);

}  // namespace taoism::onnx
