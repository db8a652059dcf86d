#include "onnx/bind.h"

#include <algorithm>
#include <cstring>

#include "onnx/bind_shapes.h"
#include "onnx/evaluate.h"
#include "onnx/node_import.h"

namespace taoism::onnx {
namespace {

// What is answered from a tensor's type alone.
bool is_shape_operator(std::string_view op) { return op == "Shape" || op == "Size"; }

class Binder {
 public:
  Binder(const Model::File& file, const ImportOptions& options, std::vector<Unsupported>& refused,
         RowProof* proof)
      : file_(file), options_(options), refused_(refused), proof_(proof), import_(file) {}

  Result<ir::Graph> run() {
    import_.graph.name = printable(file_.proto.graph().name());
    uint64_t bytes = 0;
    // Not of the files, which may be mostly holes.
    for (const auto& [name, constant] : file_.constants) bytes += constant->desc.bytes();
    import_.budget.set_model_bytes(bytes);
    TAOISM_RETURN_IF_ERROR(add_inputs());
    add_constants();
    for (const auto& [name, reason] : file_.unreadable) {
      import_.tensors.emplace(name, Tensor{.name = name, .refused = true});
    }
    count_readers();
    for (const int n : file_.order) {
      TAOISM_RETURN_IF_ERROR(import_node(n));
    }
    for (const auto& [name, reason] : file_.unreadable) {
      if (import_.readers.contains(name)) refuse(printable(name), "Constant", "", reason);
    }
    TAOISM_RETURN_IF_ERROR(add_outputs());
    if (!refused_.empty()) return std::move(import_.graph);
    if (proof_ != nullptr) conclude();
    TAOISM_RETURN_IF_ERROR(fuse_bias(import_.graph));
    TAOISM_RETURN_IF_ERROR(import_.graph.tidy());
    TAOISM_RETURN_IF_ERROR(import_.graph.verify());
    mark_public();
    return std::move(import_.graph);
  }

 private:
  void refuse(std::string node, std::string op, std::string attribute, std::string reason) {
    refused_.push_back({std::move(node), std::move(op), std::move(attribute), std::move(reason)});
  }

  // What follows from public tensors alone is no secret.
  std::vector<bool> public_origins() const {
    const std::vector<ir::Origin>& origins = import_.graph.origins();
    std::vector<bool> is_public(origins.size());
    for (size_t o = 0; o < origins.size(); ++o) {
      const std::vector<ir::OriginId>& from = origins[o].from;
      is_public[o] =
          from.empty() ? origins[o].is_public : std::all_of(from.begin(), from.end(), [&](auto id) {
            return is_public[static_cast<size_t>(id)];
          });
    }
    return is_public;
  }

  void mark_public() {
    const std::vector<bool> is_public = public_origins();
    for (size_t v = 0; v < import_.graph.value_count(); ++v) {
      ir::Value& value = import_.graph.value(static_cast<ir::ValueId>(v));
      if (!value.is_constant()) continue;
      if (is_public[static_cast<size_t>(value.origin)]) value.is_private = false;
    }
  }

  static bool has_open_rows(const DeclaredInput& input) {
    return !input.has_shape || (!input.dims.empty() && input.dims[0] < 0);
  }

  bool may_have_rows(const DeclaredInput& input) const {
    const std::vector<std::string>& without = options_.without_rows;
    return (!import_.rows_are_open || has_open_rows(input)) &&
           std::find(without.begin(), without.end(), input.name) == without.end();
  }

  // The first dimension of the first input that has one, open if there is any such input: so many
  // rows are bound, and every input has them whose first dimension is like that one.
  void find_rows(const std::vector<ir::Shape>& shapes) {
    import_.rows_are_open = std::any_of(file_.inputs.begin(), file_.inputs.end(), has_open_rows);
    bool found = false;
    for (size_t i = 0; i < shapes.size(); ++i) {
      const DeclaredInput& input = file_.inputs[i];
      if (shapes[i].rank() == 0 || !may_have_rows(input)) continue;
      if (!found) import_.rows = shapes[i][0];
      found = true;
      if (shapes[i][0] == import_.rows && !input.dim_names.empty()) {
        row_names_.insert(input.dim_names[0]);
      }
    }
    row_names_.erase("");
  }

  Rows rows_of_input(const DeclaredInput& input, const ir::Shape& shape) const {
    const bool counts = may_have_rows(input);
    Rows rows;
    if (counts && shape.rank() > 0 && shape[0] == import_.rows) rows.at.axis = 0;
    for (size_t i = 1; i < input.dims.size(); ++i) {
      if (input.dims[i] >= 0 || !row_names_.contains(input.dim_names[i])) continue;
      const std::string text = "input '" + printable(input.name) +
                               "' has as many elements in dimension " + std::to_string(i) +
                               " as there are rows";
      return {.at = {}, .growth = {}, .mixed = std::make_shared<const std::string>(text)};
    }
    return rows;
  }

  // What is proven of the outputs.
  void conclude() {
    proof_->inputs = input_rows_;
    proof_->independent = {};
    proof_->outputs.clear();
    const auto refuse_rows = [&](const std::string& why) {
      if (proof_->independent.ok()) proof_->independent = unsupported(why);
    };
    // Where each run has one row, nothing can mix several: an output has its row, or none.
    const bool one_each = !import_.rows_are_open && import_.rows == 1;
    if (file_.rows_together) refuse_rows("the model's metadata says: " + *file_.rows_together);
    for (const ir::ValueId id : import_.graph.outputs()) {
      const ir::Value& output = import_.graph.value(id);
      const ir::Shape& shape = output.desc.shape;
      Rows rows = output_rows_[proof_->outputs.size()];
      if (one_each && shape.rank() > 0 && shape[0] == 1) rows = {.at = {.axis = 0}};
      proof_->outputs.push_back(rows.at.axis);
      if (rows.mixed != nullptr) {
        refuse_rows(*rows.mixed);
      } else if (rows.at.outer != 1) {
        refuse_rows("output '" + output.name + "' has its rows inside of dimension " +
                    std::to_string(rows.at.axis));
      }
    }
    if (std::all_of(input_rows_.begin(), input_rows_.end(), [](int axis) { return axis < 0; })) {
      proof_->independent = unsupported("no input has rows");
    }
  }

  Status add_inputs() {
    TAOISM_ASSIGN_OR_RETURN(const std::vector<ir::Shape> shapes, bind_shapes(file_, options_));
    find_rows(shapes);
    for (size_t i = 0; i < file_.inputs.size(); ++i) {
      const DeclaredInput& input = file_.inputs[i];
      const std::string name = printable(input.name);
      Tensor tensor{.name = input.name};
      const std::optional<ir::DType> dtype = dtype_of(file_.input_types[i]);
      if (!dtype || is_for_constants_alone(*dtype)) {
        refuse(name, "input", "",
               dtype ? refused_type(*dtype).message()
               : file_.input_types[i] == 0
                   ? "is " + input.dtype + ", which is not supported; tensors are"
                   : "has type " + input.dtype + ", which is not supported");
        tensor.refused = true;
      } else {
        tensor.id = import_.graph.add_input(name, {*dtype, shapes[i]});
        tensor.type = *dtype;
        tensor.rows = rows_of_input(input, shapes[i]);
        input_rows_.push_back(tensor.rows.at.axis);
        if (shapes[i].elements() == 0) {
          // What has no elements is known: nobody reads the input itself.
          tensor.id = ir::kNoValue;
          tensor.constant = ir::make_constant({*dtype, shapes[i]}).first;
          if (tensor.rows.at.any()) {
            tensor.rows = {.at = {}, .growth = {}, .mixed = mixed_by(name, "input", "it is empty")};
          }
        }
      }
      import_.tensors.emplace(input.name, std::move(tensor));
    }
    return {};
  }

  void add_constants() {
    const auto first_of = [this](const ConstantPtr& constant) {
      const auto twin = file_.twins.equal.find(constant.get());
      return twin != file_.twins.equal.end() ? twin->second : constant.get();
    };
    std::unordered_map<const ir::Constant*, ir::Origin> tensors;
    for (const auto& [name, constant] : file_.constants) {
      ir::Origin& origin = tensors[first_of(constant)];
      origin.elems = static_cast<uint64_t>(constant->desc.shape.elements());
      origin.is_public = origin.is_public || file_.public_tensors.contains(printable(name));
    }
    for (const auto& [second, first] : file_.twins.transposed) {
      tensors[first].is_public = tensors[first].is_public || tensors[second].is_public;
    }
    std::unordered_map<const ir::Constant*, ir::OriginId> ids;
    for (auto& [first, origin] : tensors) {
      if (!file_.twins.transposed.contains(first)) ids[first] = import_.graph.add_origin(origin);
    }
    for (const auto& [second, first] : file_.twins.transposed) {
      ids[second] =
          import_.graph.add_origin({.from = {ids[first]}, .elems = tensors[second].elems});
    }
    for (const auto& [name, constant] : file_.constants) {
      const ir::OriginId origin = ids.at(first_of(constant));
      import_.tensors.emplace(name, Tensor{.name = name, .constant = constant, .origin = origin});
    }
  }

  void count_readers() {
    const auto& graph = file_.proto.graph();
    for (const int n : file_.order) {
      for (const std::string& input : graph.node(n).input()) ++import_.readers[input];
    }
    for (const auto& output : graph.output()) ++import_.readers[output.name()];
  }

  Status import_node(int n) {
    const ::onnx::NodeProto& proto = file_.proto.graph().node(n);
    const std::string op = printable(proto.op_type());
    const std::string& name = file_.names[static_cast<size_t>(n)];
    bool reads_refused = false;
    for (const std::string& input : proto.input()) {
      reads_refused = reads_refused || (!input.empty() && import_.tensors.at(input).refused);
    }
    NodeImport node(import_, proto, name, file_.opset);
    const auto import = is_default_domain(proto.domain()) ? find_import(op) : std::nullopt;
    const Fold fold = is_default_domain(proto.domain()) ? find_fold(op) : nullptr;
    const bool is_shape = is_default_domain(proto.domain()) && is_shape_operator(op);
    Status status;
    if (!import && !fold && !is_shape) {
      status =
          unsupported(is_default_domain(proto.domain())
                          ? std::string("operator is not supported")
                          : "operator domain '" + printable(proto.domain()) + "' is not supported");
    } else if (reads_refused) {
      refuse_outputs(proto);  // the cause has been reported
      return {};
    } else if (is_shape) {
      status = import_shape(node, op);
    } else if (fold && reads_constants_alone(node) && !repeats_by_rows(node, op)) {
      status = import_constant(node, op, fold);
    } else if (import && reads_constants_alone(node) && node.needs_evaluation()) {
      status = import_evaluation(node, op);
    } else if (import) {
      status = import->computes ? node.computes() : Status();
      if (status.ok()) status = import->import(node);
    } else {
      status = unsupported("is supported only where it does not depend on the model's input");
    }
    return finish(node, proto, op, status);
  }

  Status finish(NodeImport& node, const ::onnx::NodeProto& proto, const std::string& op,
                Status status) {
    std::string attribute = node.refused_attribute();
    if (status.ok()) status = node.attrs.status();
    if (status.ok() && !node.attrs.unread().empty()) {
      attribute = node.attrs.unread();
      status = unsupported("is not known");
    }
    for (size_t i = 0; status.ok() && i < node.outputs(); ++i) {
      if (node.is_read(i) && !import_.tensors.contains(proto.output(static_cast<int>(i)))) {
        status = unsupported("output " + std::to_string(i) + " is read, which is not supported");
      }
    }
    if (status.ok()) return {};
    const std::string prefix = op + " '" + node.name() + "': ";
    std::string reason = status.message();
    if (reason.starts_with(prefix)) reason = reason.substr(prefix.size());
    if (reason.ends_with(", got int64") || reason.ends_with(", got float32")) {
      reason += node.types_besides();
    }
    if (status.code() != Code::unsupported) {
      return {status.code(), prefix + reason};
    }
    refuse(node.name(), op, attribute, reason);
    refuse_outputs(proto);
    return {};
  }

  void refuse_outputs(const ::onnx::NodeProto& proto) {
    for (const std::string& output : proto.output()) {
      import_.tensors.insert_or_assign(output, Tensor{.name = output, .refused = true});
    }
  }

  bool reads_constants_alone(const NodeImport& node) const {
    for (size_t i = 0; i < node.inputs(); ++i) {
      if (node.has(i) && !node.input(i).constant) return false;
    }
    return node.has(0);
  }

  Status import_shape(NodeImport& node, const std::string& op) {
    TAOISM_RETURN_IF_ERROR(node.expect_inputs(1));
    const ir::Shape& shape = node.shape(0);
    node.use_growth(0);  // of a constant's elements: its shape is the same
    const Growth growth = node.growth(node.input(0));
    if (op == "Size") {
      const int64_t elements = shape.elements();
      Tensor size{.constant = ir::make_i64_constant({}, {&elements, 1})};
      size.rows.growth = shared_growth({product_growth(shape, growth, 0, shape.rank())});
      return node.give(std::move(size));
    }
    const auto rank = static_cast<int64_t>(shape.rank());
    const auto clamp = [rank](int64_t at) {
      return std::clamp(at < 0 ? at + rank : at, int64_t{0}, rank);
    };
    const int64_t start = clamp(node.attrs.i("start", 0));
    const int64_t end = std::max(start, clamp(node.attrs.i("end", rank)));
    const auto dims =
        shape.dims().subspan(static_cast<size_t>(start), static_cast<size_t>(end - start));
    Tensor made{.constant = ir::make_i64_constant({end - start}, dims)};
    made.rows.growth = shared_growth({growth.begin() + start, growth.begin() + end});
    return node.give(std::move(made));
  }

  // Whether the node makes as many equal rows as there are: a node of the graph does that, so that
  // neither it nor its weights depend on their number.
  static bool repeats_by_rows(const NodeImport& node, const std::string& op) {
    const size_t sizes = op == "Expand" ? 1 : 0;
    return (op == "Expand" || op == "ConstantOfShape") && node.has(sizes) &&
           node.input(sizes).rows.growth != nullptr;
  }

  // How the folded constants follow the number of rows: elements that are moved take their growth
  // with them, and what says where to must not grow.
  Result<std::vector<Rows>> folded_rows(NodeImport& node, const FoldNode& folded, Fold fold,
                                        const std::vector<ConstantPtr>& made) {
    const size_t moved = moved_inputs(folded.op, folded.inputs.size());
    std::vector<Rows> rows(made.size());
    bool grows = false, known = true;
    for (size_t i = 0; i < node.inputs(); ++i) {
      const Rows& from = node.input(i).rows;
      if (from.mixed != nullptr) return std::vector<Rows>(made.size(), from);
      const bool grows_here = !node.use_growth(i).empty();
      grows = grows || grows_here;
      known = known && (i < moved || !grows_here);
    }
    if (!grows) return rows;
    if (!known) {
      const Rows mixed{
          .at = {}, .growth = {}, .mixed = mixed_by(node.name(), folded.op, "it counts them")};
      return std::vector<Rows>(made.size(), mixed);
    }
    std::vector<ConstantPtr> growths(folded.inputs.begin(), folded.inputs.end());
    for (size_t i = 0; i < std::min(moved, node.inputs()); ++i) {
      if (growths[i] == nullptr) continue;
      TAOISM_ASSIGN_OR_RETURN(const Fresh numbers,
                              import_.budget.make(ir::DType::i64, growths[i]->desc.shape));
      const std::shared_ptr<const Growth>& growth = node.input(i).rows.growth;
      if (growth != nullptr) {
        std::memcpy(numbers.data, growth->data(), growth->size() * sizeof(int64_t));
      }
      growths[i] = numbers.constant;
    }
    FoldNode again = folded;
    again.inputs = growths;
    TAOISM_ASSIGN_OR_RETURN(const std::vector<ConstantPtr> outputs, fold(again));
    for (size_t i = 0; i < outputs.size(); ++i) {
      const auto elements = static_cast<size_t>(outputs[i]->desc.shape.elements());
      TAOISM_RETURN_IF_ERROR(import_.budget.take_numbers(elements));
      rows[i].growth = shared_growth({outputs[i]->i64(), outputs[i]->i64() + elements});
    }
    return rows;
  }

  Status import_constant(NodeImport& node, const std::string& op, Fold fold) {
    std::vector<ConstantPtr> inputs;
    for (size_t i = 0; i < node.inputs(); ++i) inputs.push_back(node.input(i).constant);
    std::vector<ir::Box> boxes;
    FoldNode folded{op, file_.opset, node.outputs(), node.attrs, inputs, import_.budget, &boxes};
    TAOISM_ASSIGN_OR_RETURN(const std::vector<ConstantPtr> outputs, fold(folded));
    folded.boxes = nullptr;
    boxes.resize(outputs.size());
    TAOISM_ASSIGN_OR_RETURN(const std::vector<Rows> rows, folded_rows(node, folded, fold, outputs));
    // What says where elements go hides none of them.
    const size_t moved = moved_inputs(op, node.inputs());
    const std::span<const Tensor> from = node.all_inputs(moved == 0 ? node.inputs() : moved);
    for (size_t i = 0; i < outputs.size(); ++i) {
      Tensor made = node.made_from("", outputs[i], from, std::move(boxes[i]));
      made.rows = rows[i];
      TAOISM_RETURN_IF_ERROR(node.give(std::move(made), i));
    }
    return {};
  }

  // Of numbers that grow with the rows nothing is known afterwards.
  Status import_evaluation(NodeImport& node, const std::string& op) {
    std::vector<ConstantPtr> inputs;
    Rows rows;
    bool grows = false;
    for (size_t i = 0; i < node.inputs(); ++i) {
      inputs.push_back(node.input(i).constant);
      if (node.input(i).rows.mixed != nullptr) rows = node.input(i).rows;
      grows = !node.use_growth(i).empty() || grows;
    }
    uint64_t work = 0;
    for (const ConstantPtr& input : inputs) {
      if (input) work += static_cast<uint64_t>(input->desc.shape.elements());
    }
    TAOISM_RETURN_IF_ERROR(import_.budget.spend(work));
    TAOISM_ASSIGN_OR_RETURN(
        const std::vector<ConstantPtr> made,
        find_evaluation(op)({op, file_.opset, node.outputs(), node.attrs, inputs, import_.budget}));
    if (grows && rows.mixed == nullptr) {
      const auto elements = static_cast<size_t>(made[0]->desc.shape.elements());
      TAOISM_RETURN_IF_ERROR(import_.budget.take_numbers(elements));
      rows.growth = std::make_shared<const Growth>(elements, kUnknownGrowth);
    }
    Tensor evaluated = node.made_from("", made[0], node.all_inputs(node.inputs()));
    evaluated.rows = std::move(rows);
    return node.give(std::move(evaluated));
  }

  // The value in the type that the outside sees.
  Result<Tensor> in_its_type(const Tensor& tensor) {
    const ::onnx::NodeProto proto;
    NodeImport node(import_, proto, "Cast_" + printable(tensor.name), file_.opset);
    return node.in_its_type(tensor);
  }

  // An output that is a constant, an input, or a second name for another output, gets a tensor of
  // its own.
  Status copy_output(Tensor& tensor, const std::string& name) {
    ::onnx::NodeProto proto;
    proto.add_output(name);
    NodeImport node(import_, proto, "Identity_" + printable(name), file_.opset);
    const ir::Shape shape = node.shape_of(tensor);
    const ir::DType type = import_.type_of(tensor);
    ir::Attrs attrs;
    attrs.set("shape", std::vector<int64_t>(shape.begin(), shape.end()));
    const Growth growth = node.growth(tensor);
    Tensor x = tensor;
    if (x.constant) {
      TAOISM_ASSIGN_OR_RETURN(x.constant, import_.computed(tensor));
    }
    TAOISM_ASSIGN_OR_RETURN(tensor, node.emit_node("Reshape", {x}, std::move(attrs), "", &growth));
    tensor.type = type;
    TAOISM_ASSIGN_OR_RETURN(tensor, node.in_its_type(tensor));
    return node.give(tensor);
  }

  Status add_outputs() {
    std::vector<ir::ValueId> outputs;
    std::unordered_set<ir::ValueId> taken(import_.graph.inputs().begin(),
                                          import_.graph.inputs().end());
    for (const auto& output : file_.proto.graph().output()) {
      Tensor& tensor = import_.tensors.at(output.name());
      if (tensor.refused) continue;
      const ir::DType type = import_.type_of(tensor);
      const int32_t declared = output.type().tensor_type().elem_type();
      if (declared != ::onnx::TensorProto::UNDEFINED && dtype_of(declared) != type) {
        return invalid_argument("output '" + printable(output.name()) + "' is declared " +
                                element_type_name(declared) + ", the graph makes " +
                                ir::dtype_name(type));
      }
      if (is_for_constants_alone(type)) {
        refuse(printable(output.name()), "output", "", refused_type(type).message());
        continue;
      }
      if (tensor.constant) {
        TAOISM_RETURN_IF_ERROR(copy_output(tensor, output.name()));
      } else {
        TAOISM_ASSIGN_OR_RETURN(tensor, in_its_type(tensor));
      }
      if (taken.contains(tensor.id)) TAOISM_RETURN_IF_ERROR(copy_output(tensor, output.name()));
      taken.insert(tensor.id);
      import_.graph.value(tensor.id).name = printable(output.name());
      outputs.push_back(tensor.id);
      output_rows_.push_back(tensor.rows);
    }
    import_.graph.set_outputs(std::move(outputs));
    return {};
  }

  const Model::File& file_;
  const ImportOptions& options_;
  std::vector<Unsupported>& refused_;
  RowProof* const proof_;
  std::vector<int> input_rows_;
  std::vector<Rows> output_rows_;
  std::unordered_set<std::string> row_names_;  // dim_params that count rows
  GraphImport import_;
};

}  // namespace

bool is_known_operator(std::string_view op) {
  return op == "Constant" || is_shape_operator(op) || find_import(op).has_value() ||
         find_fold(op) != nullptr;
}

Result<ir::Graph> bind_file(const Model::File& file, const ImportOptions& options,
                            std::vector<Unsupported>& refused, RowProof* proof) {
  return Binder(file, options, refused, proof).run();
}

}  // namespace taoism::onnx
