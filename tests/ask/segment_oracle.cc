#include "segment_oracle.h"

#include <algorithm>
#include <cstring>

#include "runtime/tensors.h"

namespace taoism::ask {
namespace {

runtime::Tensors tensors_of(const ir::Graph& graph, const std::vector<ir::ValueId>& values) {
  return runtime::Tensors(runtime::tensor_specs(graph, values));
}

void clear(std::span<const ir::TensorView> views) {
  for (const ir::TensorView& view : views) std::memset(view.data, 0, view.desc.bytes());
}

}  // namespace

Result<std::unique_ptr<SegmentOracle>> SegmentOracle::open(const runtime::Prepared& prepared,
                                                           int64_t batch,
                                                           const runtime::Machine& machine) {
  std::unique_ptr<SegmentOracle> oracle(new SegmentOracle());
  oracle->partitioned_ = prepared.partitioned;
  oracle->batch_ = static_cast<size_t>(batch);
  for (size_t s = 0; s < prepared.partitioned.segments.size(); ++s) {
    if (prepared.partitioned.segments[s].placement == ir::Placement::tee) {
      oracle->tee_segments_.push_back(s);
    }
  }
  TAOISM_ASSIGN_OR_RETURN(oracle->tee_,
                          open_sealed(machine, prepared.partitioned, *prepared.sealed));
  return oracle;
}

const std::vector<ir::ValueId>& SegmentOracle::inputs_of(size_t s) const {
  return partitioned_.segments[tee_segments_[s]].inputs;
}

const std::vector<ir::ValueId>& SegmentOracle::outputs_of(size_t s) const {
  return partitioned_.segments[tee_segments_[s]].outputs;
}

std::string SegmentOracle::obstacle(size_t s) const {
  if (inputs_of(s).empty()) return "it has no input";
  for (const auto* values : {&inputs_of(s), &outputs_of(s)}) {
    for (const ir::ValueId id : *values) {
      const ir::Value& value = partitioned_.graph.value(id);
      const std::string what = "'" + value.name + "' is " + ir::dtype_name(value.desc.dtype) + " " +
                               value.desc.shape.text();
      if (value.desc.dtype != ir::DType::f32) return what;
      if (value.desc.shape.rank() == 0 || value.desc.shape[0] != static_cast<int64_t>(batch_)) {
        return what + ", not one row per row of the batch";
      }
    }
  }
  return {};
}

std::vector<Crossing> SegmentOracle::crossings(const std::vector<ir::ValueId>& values) const {
  std::vector<Crossing> result;
  for (const ir::ValueId id : values) {
    const ir::Value& value = partitioned_.graph.value(id);
    const ir::Shape row(value.desc.shape.dims().subspan(1));
    result.push_back({value.name, row, static_cast<size_t>(row.elements())});
  }
  return result;
}

Status SegmentOracle::run(size_t s, const std::vector<Row>& rows, size_t first,
                          std::vector<Row>& answers) {
  const size_t count = std::min(batch_, rows.size() - first);
  for (size_t before = 0; before <= s; ++before) {
    runtime::Tensors inputs = tensors_of(partitioned_.graph, inputs_of(before));
    runtime::Tensors outputs = tensors_of(partitioned_.graph, outputs_of(before));
    clear(inputs.views());
    for (size_t i = 0; before == s && i < inputs.views().size(); ++i) {
      float* to = inputs.views()[i].f32();
      for (size_t r = 0; r < count; ++r) to = std::ranges::copy(rows[first + r][i], to).out;
    }
    device::RunTimes times;
    TAOISM_RETURN_IF_ERROR(
        tee_->run(tee_segments_[before], inputs.const_views(), outputs.views(), times));
    for (size_t r = 0; before == s && r < count; ++r) {
      Row& answer = answers.emplace_back();
      for (const ir::TensorView& view : outputs.views()) {
        const size_t elements = static_cast<size_t>(view.desc.shape.elements()) / batch_;
        const float* from = view.f32() + r * elements;
        answer.emplace_back(from, from + elements);
      }
    }
  }
  rows_asked_ += count;
  ++calls_;
  return {};
}

Result<std::vector<Row>> SegmentOracle::ask(size_t s, const std::vector<Row>& rows) {
  std::vector<Row> answers;
  answers.reserve(rows.size());
  while (answers.size() < rows.size()) {
    TAOISM_RETURN_IF_ERROR(run(s, rows, answers.size(), answers));
  }
  return answers;
}

}  // namespace taoism::ask
