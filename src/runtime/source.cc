#include "runtime/source.h"

#include <algorithm>
#include <set>

namespace taoism::runtime {
namespace {

class OnnxSource final : public Source {
 public:
  OnnxSource(onnx::Model model, partition::Plan plan, onnx::ImportOptions import,
             const ir::Graph& graph)
      : model_(std::move(model)),
        plan_(std::move(plan)),
        import_(std::move(import)),
        inputs_(tensor_specs(graph, graph.inputs())),
        outputs_(tensor_specs(graph, graph.outputs())),
        has_open_rows_(rows_of(inputs_).has_value() && is_open()) {}

  const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  const std::vector<TensorSpec>& outputs() const override { return outputs_; }
  const std::string& strategy() const override { return plan_.strategy; }
  const std::string& model_hash() const override { return plan_.model_hash; }

  int64_t batch_at_most(int64_t most) const override {
    const int64_t bound = rows_of(inputs_).value_or(1);
    if (has_open_rows_) return std::min(most, bound);
    return bound <= most ? bound : 0;
  }
  Status no_batch_for(size_t rows) const override {
    const int64_t fixed = batch_at_most(INT64_MAX);
    if (fixed == 0) return invalid_argument("the model's batch is 0");
    return invalid_argument("the model's batch is fixed at " + std::to_string(fixed) +
                            " and the input has " + std::to_string(rows) +
                            " rows; give a multiple of it");
  }
  Result<Prepared> prepare(int64_t batch, const Machine& machine) const override {
    if (batch_at_most(batch) != batch) return no_batch_for(static_cast<size_t>(batch));
    TAOISM_ASSIGN_OR_RETURN(ir::Graph graph, model_.bind(at_batch(batch)));
    return runtime::prepare(graph, plan_, machine);
  }

 private:
  // Whether the file leaves the first dimension of every input open, and its name to it alone.
  bool is_open() const {
    std::set<std::string> first, later;
    for (const onnx::DeclaredInput& input : model_.inputs()) {
      if (!input.has_shape) continue;
      if (input.dims.empty() || input.dims[0] >= 0) return false;
      first.insert(input.dim_names[0]);
      later.insert(input.dim_names.begin() + 1, input.dim_names.end());
    }
    first.erase("");
    return std::none_of(first.begin(), first.end(),
                        [&](const std::string& name) { return later.contains(name); });
  }

  // The import with so many rows in all inputs, where they are open.
  onnx::ImportOptions at_batch(int64_t batch) const {
    onnx::ImportOptions import = import_;
    if (!has_open_rows_) return import;
    import.batch = batch;
    for (auto& [name, shape] : import.input_shapes) shape[0] = batch;
    return import;
  }

  const onnx::Model model_;
  const partition::Plan plan_;
  const onnx::ImportOptions import_;
  const std::vector<TensorSpec> inputs_, outputs_;
  const bool has_open_rows_;
};

}  // namespace

std::optional<int64_t> rows_of(std::span<const TensorSpec> inputs) {
  std::optional<int64_t> rows;
  for (const TensorSpec& input : inputs) {
    if (input.desc.shape.rank() == 0) return std::nullopt;
    if (rows.value_or(input.desc.shape[0]) != input.desc.shape[0]) return std::nullopt;
    rows = input.desc.shape[0];
  }
  return rows;
}

std::vector<TensorSpec> tensor_specs(const ir::Graph& graph, const std::vector<ir::ValueId>& ids) {
  std::vector<TensorSpec> specs;
  specs.reserve(ids.size());
  for (const ir::ValueId id : ids) specs.push_back({graph.value(id).name, graph.value(id).desc});
  return specs;
}

Result<std::unique_ptr<Source>> open_source(onnx::Model model, partition::Plan plan,
                                            onnx::ImportOptions import) {
  TAOISM_ASSIGN_OR_RETURN(const ir::Graph graph, model.bind(import));
  return std::unique_ptr<Source>(
      std::make_unique<OnnxSource>(std::move(model), std::move(plan), std::move(import), graph));
}

}  // namespace taoism::runtime
