#include "onnx/model.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "onnx/bind.h"
#include "onnx/bind_shapes.h"
#include "onnx/guarded.h"
#include "onnx/model_file.h"

namespace taoism::onnx {

std::string Unsupported::text() const {
  return op + " '" + node + "': " + (attribute.empty() ? "" : "attribute " + attribute + ": ") +
         reason;
}

std::string DeclaredInput::shape_text() const {
  if (!has_shape) return "of any shape";
  if (dims.empty()) return "scalar";
  std::string text;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (i > 0) text += 'x';
    const std::string open = dim_names[i].empty() ? "?" : printable(dim_names[i]);
    text += dims[i] < 0 ? open : std::to_string(dims[i]);
  }
  return text;
}

std::string OpenInput::text() const {
  const std::string what = "input '" + name + "' is " + shape;
  if (axes.empty()) return what;
  std::string list;
  for (size_t i = 0; i < axes.size(); ++i) {
    list += (i == 0 ? "" : i + 1 == axes.size() ? " and " : ", ") + std::to_string(axes[i]);
  }
  const bool one = axes.size() == 1;
  return what + ", whose dimension" + (one ? " " : "s ") + list + (one ? " is" : " are") + " open";
}

Result<Model> Model::load(const std::string& path) {
  return guarded([&]() -> Result<Model> {
    TAOISM_ASSIGN_OR_RETURN(std::shared_ptr<const File> file, read_model_file(path));
    return Model(std::move(file));
  });
}

Result<std::string> Model::hash() const {
  return guarded([&] {
    std::vector<const SourceFile*> files;
    for (const SourceFile& source : file_->sources) files.push_back(&source);
    return hash_files(files);
  });
}

const std::string& Model::name() const { return file_->name; }
int64_t Model::opset() const { return file_->opset; }
int64_t Model::ir_version() const { return file_->proto.ir_version(); }
const std::string& Model::producer() const { return file_->producer; }
const std::vector<std::pair<std::string, std::string>>& Model::metadata() const {
  return file_->metadata;
}
const std::vector<DeclaredInput>& Model::inputs() const { return file_->inputs; }

bool Model::batch_is_dynamic() const {
  for (const DeclaredInput& input : file_->inputs) {
    if (!input.has_shape || (!input.dims.empty() && input.dims[0] < 0)) return true;
  }
  return false;
}

Result<std::vector<OpenInput>> Model::open_inputs(const ImportOptions& options) const {
  return guarded([&] { return find_open_inputs(*file_, options); });
}

std::vector<OperatorCount> Model::operators() const {
  std::map<std::pair<std::string, std::string>, OperatorCount> counts;
  for (const int n : file_->order) {
    const ::onnx::NodeProto& node = file_->proto.graph().node(n);
    const bool is_ours = is_default_domain(node.domain());
    const std::string op = printable(node.op_type());
    const std::string domain = is_ours ? "" : printable(node.domain());
    OperatorCount& count = counts[{domain, op}];
    count.op = op;
    count.domain = domain;
    count.is_known = is_ours && is_known_operator(op);
    ++count.nodes;
  }
  std::vector<OperatorCount> list;
  list.reserve(counts.size());
  for (auto& [name, count] : counts) list.push_back(std::move(count));
  return list;
}

Result<ir::Graph> Model::bind(const ImportOptions& options) const {
  return guarded([&]() -> Result<ir::Graph> {
    std::vector<Unsupported> refused;
    TAOISM_ASSIGN_OR_RETURN(ir::Graph graph, bind_file(*file_, options, refused));
    if (refused.empty()) return graph;
    constexpr size_t kShown = 3;
    std::string message = "the model has " + std::to_string(refused.size()) +
                          (refused.size() == 1 ? " thing" : " things") + " that cannot be run: ";
    for (size_t i = 0; i < refused.size() && i < kShown; ++i) {
      message += (i > 0 ? "; " : "") + refused[i].text();
    }
    if (refused.size() > kShown) message += "; ... ('taoism inspect' lists all)";
    return taoism::unsupported(message);
  });
}

namespace {

// Whether the file leaves the first dimension of the input open.
bool has_open_rows(const DeclaredInput& input) {
  return !input.has_shape || (!input.dims.empty() && input.dims[0] < 0);
}

}  // namespace

Result<ImportOptions> Model::with_rows(const ImportOptions& options, int64_t rows) const {
  return guarded([&]() -> Result<ImportOptions> {
    TAOISM_ASSIGN_OR_RETURN(const std::vector<ir::Shape> shapes, bind_shapes(*file_, options));
    ImportOptions changed = options;
    changed.batch = 0;
    std::optional<int64_t> bound;
    for (size_t i = 0; i < shapes.size(); ++i) {
      if (!has_open_rows(file_->inputs[i]) || shapes[i].rank() == 0) continue;
      const std::string& name = file_->inputs[i].name;
      const auto& without = options.without_rows;
      if (std::find(without.begin(), without.end(), name) != without.end()) continue;
      if (bound.value_or(shapes[i][0]) != shapes[i][0]) {
        changed.without_rows.push_back(name);
        continue;
      }
      bound = shapes[i][0];
      auto given = std::find_if(changed.input_shapes.begin(), changed.input_shapes.end(),
                                [&](const auto& g) { return g.first == file_->inputs[i].name; });
      if (given == changed.input_shapes.end()) {
        ir::Shape open;
        while (open.rank() < shapes[i].rank()) open.push_back(ir::Shape::kDynamic);
        given = changed.input_shapes.insert(given, {file_->inputs[i].name, open});
      }
      given->second[0] = rows;
    }
    return changed;
  });
}

Result<RowProof> Model::prove_rows(const ImportOptions& options) const {
  return guarded([&]() -> Result<RowProof> {
    TAOISM_ASSIGN_OR_RETURN(const std::vector<ir::Shape> shapes, bind_shapes(*file_, options));
    RowProof proof;
    bool has_one = false;  // row: any dimension of 1 could count them then
    std::optional<int64_t> rows;
    for (size_t i = 0; i < shapes.size(); ++i) {
      const bool is_open = has_open_rows(file_->inputs[i]) && shapes[i].rank() > 0;
      has_one = has_one || (is_open && shapes[i][0] == 1);
      if (is_open && !rows) rows = shapes[i][0];
      proof.inputs.push_back(is_open && shapes[i][0] == *rows ? 0 : -1);
    }
    ImportOptions several = options;
    if (has_one) {
      int64_t count = 2;  // and not so many as another input has of something else
      const auto is_count = [&](const ir::Shape& shape) {
        return shape.rank() > 0 && shape[0] == count;
      };
      while (std::any_of(shapes.begin(), shapes.end(), is_count)) ++count;
      TAOISM_ASSIGN_OR_RETURN(several, with_rows(options, count));
    }
    std::vector<Unsupported> refused;
    RowProof proven;
    const Status bound = bind_file(*file_, several, refused, &proven).status();
    if (bound.ok() && refused.empty()) return proven;
    const std::string why = bound.ok() ? refused.front().text() : bound.message();
    if (!has_one) return bound.ok() ? taoism::unsupported(why) : bound;
    // What runs with one row alone is run with one.
    proof.independent = taoism::unsupported("it does not run with two rows: " + why);
    return proof;
  });
}

Result<std::vector<Unsupported>> Model::unsupported(const ImportOptions& options) const {
  return guarded([&]() -> Result<std::vector<Unsupported>> {
    std::vector<Unsupported> refused;
    TAOISM_RETURN_IF_ERROR(bind_file(*file_, options, refused).status());
    return refused;
  });
}

size_t count_nonfinite(const ir::Graph& graph) {
  size_t count = 0;
  for (size_t v = 0; v < graph.value_count(); ++v) {
    const ir::Value& value = graph.value(static_cast<ir::ValueId>(v));
    if (!value.is_constant() || value.desc.dtype != ir::DType::f32) continue;
    const float* data = value.constant->f32();
    const auto elements = static_cast<size_t>(value.desc.shape.elements());
    for (size_t i = 0; i < elements; ++i) count += std::isfinite(data[i]) ? 0 : 1;
  }
  return count;
}

}  // namespace taoism::onnx
