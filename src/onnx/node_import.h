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

  bool exists() const { return id != ir::kNoValue || constant != nullptr || refused; }
};

// The graph under construction, shared by the imports of all its nodes.
struct GraphImport {
  ir::Graph graph;
  std::unordered_map<std::string, Tensor> tensors;
  std::unordered_map<std::string, int> readers;  // by tensor: live nodes and outputs
  std::unordered_map<const ir::Constant*, ir::ValueId> constant_ids;
  std::unordered_set<std::string> node_names;
  FoldBudget budget;
  int64_t rows = 1;           // that the graph is bound to
  bool rows_are_open = true;  // there may be others; else a number in the file may stand for them

  ir::ValueId value_of(const Tensor& tensor);
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
  // Input `i` must be there.
  const Tensor& input(size_t i) const { return inputs_[i]; }
  const ir::TensorDesc& desc(const Tensor& tensor) const;
  const ir::Shape& shape(size_t i) const { return desc(inputs_[i]).shape; }
  // Whether anybody reads output `i`.
  bool is_read(size_t i) const;

  // Error unless inputs 0 to count-1 are there.
  Status expect_inputs(size_t count) const;
  // The integers of constant input `i`, or of attribute `name` where it is one; nothing when
  // absent.
  Result<std::optional<std::vector<int64_t>>> ints(size_t i, const char* name);
  // The same, where the operator requires it.
  Result<std::vector<int64_t>> required_ints(size_t i, const char* name);
  // The one number of constant input `i`; nothing when absent.
  Result<std::optional<float>> number(size_t i, const char* name);

  // Says that input `i`, a constant, is looked at for how it grows with the rows: without that, what
  // is made of one that grows is mixed. Its growth by element; empty: it does not grow.
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
  // A constant to be filled. Errors: unsupported when there are too many of them.
  Result<Fresh> make_constant(const ir::TensorDesc& desc) {
    return import_.budget.make(desc.dtype, desc.shape);
  }
  // Emits Cast, unless the type is the same.
  Result<Tensor> cast(const Tensor& tensor, ir::DType dtype, const char* suffix = "");
  // Says that output `i` is `tensor`.
  Status give(Tensor tensor, size_t i = 0);

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

  GraphImport& import_;
  const ::onnx::NodeProto& node_;
  std::string name_;
  int64_t opset_;
  std::vector<Tensor> inputs_;
  std::vector<bool> used_;  // of inputs_: that they grow is accounted for
  size_t first_value_;  // values from here on are this node's
  std::string refused_attribute_;
};

using Import = Status (*)(NodeImport& node);
struct ImportEntry {
  const char* op;  // the ONNX operator
  Import import;
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
// import_as_it_is where no rule is needed. Null when the operator is not supported.
Import find_import(std::string_view op);

}  // namespace taoism::onnx
