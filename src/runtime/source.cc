#include "runtime/source.h"

#include <algorithm>

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
        outputs_(tensor_specs(graph, graph.outputs())) {}

  const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  const std::vector<TensorSpec>& outputs() const override { return outputs_; }
  const std::string& strategy() const override { return plan_.strategy; }
  const std::string& model_hash() const override { return plan_.model_hash; }

  int64_t batch_at_most(int64_t most) const override {
    const bool has_batch = !inputs_.empty() && inputs_.front().desc.shape.rank() != 0;
    const int64_t bound = has_batch ? inputs_.front().desc.shape[0] : 0;
    if (model_.batch_is_dynamic()) return std::min(most, bound);
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
    onnx::ImportOptions import = import_;
    import.batch = model_.batch_is_dynamic() ? batch : 0;
    TAOISM_ASSIGN_OR_RETURN(ir::Graph graph, model_.bind(import));
    return runtime::prepare(graph, plan_, machine);
  }

 private:
  const onnx::Model model_;
  const partition::Plan plan_;
  const onnx::ImportOptions import_;
  const std::vector<TensorSpec> inputs_, outputs_;
};

}  // namespace

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
