#include "runtime/source.h"

#include <algorithm>

namespace taoism::runtime {
namespace {

class OnnxSource final : public Source {
 public:
  OnnxSource(onnx::Model model, partition::Plan plan, onnx::ImportOptions import,
             const ir::Graph& graph, onnx::RowProof rows)
      : model_(std::move(model)),
        plan_(std::move(plan)),
        import_(std::move(import)),
        inputs_(tensor_specs(graph, graph.inputs())),
        outputs_(tensor_specs(graph, graph.outputs())),
        rows_(std::move(rows)) {}

  const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  const std::vector<TensorSpec>& outputs() const override { return outputs_; }
  const std::string& strategy() const override { return plan_.strategy; }
  const std::string& model_hash() const override { return plan_.model_hash; }
  const onnx::RowProof& rows() const override { return rows_; }

  int64_t batch_at_most(int64_t most) const override {
    if (has_open_rows()) return most;
    return bound_rows() <= most ? bound_rows() : 0;
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
    onnx::ImportOptions import = import_;
    if (has_open_rows()) {
      TAOISM_ASSIGN_OR_RETURN(import, model_.with_rows(import_, batch));
    }
    TAOISM_ASSIGN_OR_RETURN(ir::Graph graph, model_.bind(import));
    return runtime::prepare(graph, plan_, machine);
  }

 private:
  // The rows that it is bound to; 1 where no input has any.
  int64_t bound_rows() const {
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (rows_.inputs[i] >= 0) return inputs_[i].desc.shape[0];
    }
    return 1;
  }
  bool has_open_rows() const {
    return model_.batch_is_dynamic() &&
           std::any_of(rows_.inputs.begin(), rows_.inputs.end(), [](int axis) { return axis >= 0; });
  }

  const onnx::Model model_;
  const partition::Plan plan_;
  const onnx::ImportOptions import_;
  const std::vector<TensorSpec> inputs_, outputs_;
  const onnx::RowProof rows_;
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

Result<onnx::RowProof> prove_rows(const onnx::Model& model, const partition::Plan& plan,
                                  const onnx::ImportOptions& import) {
  TAOISM_ASSIGN_OR_RETURN(onnx::RowProof rows, model.prove_rows(import));
  // A label is found along dimension 1.
  const bool labels = plan.answer == partition::Answer::label;
  for (const int axis : rows.outputs) {
    if (labels && rows.independent.ok() && axis > 0) {
      rows.independent = unsupported("a label is found among the rows of an output");
    }
  }
  return rows;
}

Result<std::unique_ptr<Source>> open_source(onnx::Model model, partition::Plan plan,
                                            onnx::ImportOptions import) {
  TAOISM_ASSIGN_OR_RETURN(const ir::Graph graph, model.bind(import));
  TAOISM_ASSIGN_OR_RETURN(onnx::RowProof rows, prove_rows(model, plan, import));
  return std::unique_ptr<Source>(std::make_unique<OnnxSource>(
      std::move(model), std::move(plan), std::move(import), graph, std::move(rows)));
}

}  // namespace taoism::runtime
