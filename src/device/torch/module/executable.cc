#include "device/torch/module/executable.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <chrono>

namespace taoism::torch_module {
namespace {

size_t index_of(ir::ValueId id) { return static_cast<size_t>(id); }

uint64_t now_ns() {
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch() /
                               std::chrono::nanoseconds(1));
}

at::Tensor view_of(const ir::TensorDesc& desc, void* data) {
  return at::from_blob(data, dims_of(desc.shape),
                       at::TensorOptions().dtype(scalar_type(desc.dtype)));
}

}  // namespace

void check_supported(const ir::PartitionedGraph& graph) {
  for (const ir::Node& node : graph.graph.nodes()) {
    if (node.placement == ir::Placement::device && find_lowering(node.op) == nullptr) {
      throw Failure(unsupported(name_of(node) +
                                ": the torch device does not run this operator; place it in the "
                                "TEE, or use --device cpu"));
    }
  }
}

Executable::Executable(const ir::PartitionedGraph& graph, at::Device device, bool staged,
                       int threads)
    : accelerator_(device, staged), threads_(threads) {
  check_supported(graph);
  const ir::Graph& g = graph.graph;
  for (size_t v = 0; v < g.value_count(); ++v) {
    types_.push_back(g.value(static_cast<ir::ValueId>(v)).desc);
  }
  constants_.resize(g.value_count());
  values_.resize(g.value_count());
  Weights weights(device);
  accelerator_.with_current([&] {
    for (const ir::Segment& segment : graph.segments) {
      Part& part = parts_.emplace_back();
      if (segment.placement != ir::Placement::device) continue;
      part.inputs = segment.inputs;
      part.outputs = segment.outputs;
      for (ir::NodeId id : segment.nodes) add_step(graph, g.node(id), weights, part);
      if (!accelerator_.is_staged()) continue;
      for (ir::ValueId id : part.inputs) {
        const ir::TensorDesc& desc = types_[index_of(id)];
        part.staged_inputs.push_back(
            at::empty(dims_of(desc.shape),
                      at::TensorOptions().dtype(scalar_type(desc.dtype)).device(device)));
      }
    }
    accelerator_.synchronize();
  });
  weight_bytes_ = weights.bytes();
  find_last_uses(graph);
}

void Executable::add_step(const ir::PartitionedGraph& graph, const ir::Node& node, Weights& weights,
                          Part& part) {
  NodeContext context(graph.graph, node, weights, *part.checks);
  Step step;
  step.what = name_of(node);
  step.kernel = find_lowering(node.op)->lower(context);
  step.outputs = node.outputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ir::ValueId id = context.is_taken(i) ? ir::kNoValue : node.inputs[i];
    step.inputs.push_back(id);
    if (id == ir::kNoValue || !graph.graph.value(id).is_constant()) continue;
    constants_[index_of(id)] = weights.get(graph.graph, id);
  }
  part.steps.push_back(std::move(step));
}

// Where each value is read last, so that its memory can be used again; and the most that is held.
void Executable::find_last_uses(const ir::PartitionedGraph& graph) {
  std::vector<std::vector<ir::ValueId>*> last(types_.size(), nullptr);
  std::vector<size_t> had_in(types_.size(), 0);
  for (size_t s = 0; s < parts_.size(); ++s) {
    Part& part = parts_[s];
    const auto use = [&](ir::ValueId id, std::vector<ir::ValueId>& list) {
      if (id == ir::kNoValue || graph.graph.value(id).is_constant()) return;
      keeps_values_ |= had_in[index_of(id)] != s;
      last[index_of(id)] = &list;
    };
    for (ir::ValueId id : part.inputs) {
      had_in[index_of(id)] = s;
      last[index_of(id)] = &part.last_use;
    }
    for (Step& step : part.steps) {
      for (ir::ValueId id : step.inputs) use(id, step.last_use);
      for (ir::ValueId id : step.outputs) {
        if (id == ir::kNoValue) continue;
        had_in[index_of(id)] = s;
        last[index_of(id)] = &step.last_use;
      }
    }
    for (ir::ValueId id : part.outputs) use(id, part.last_use);
  }
  for (size_t v = 0; v < last.size(); ++v) {
    if (last[v] != nullptr) last[v]->push_back(static_cast<ir::ValueId>(v));
  }
  uint64_t held = 0;
  for (const Part& part : parts_) {
    const auto add = [&](ir::ValueId id) {
      if (id == ir::kNoValue) return;
      held += types_[index_of(id)].bytes();
      activation_bytes_ = std::max(activation_bytes_, held);
    };
    const auto drop = [&](const std::vector<ir::ValueId>& ids) {
      for (ir::ValueId id : ids) held -= types_[index_of(id)].bytes();
    };
    for (ir::ValueId id : part.inputs) add(id);
    for (const Step& step : part.steps) {
      for (ir::ValueId id : step.outputs) add(id);
      drop(step.last_use);
    }
    drop(part.last_use);
  }
}

void Executable::bring_inputs(Part& part, const void* const* inputs) {
  for (size_t i = 0; i < part.inputs.size(); ++i) {
    const ir::ValueId id = part.inputs[i];
    at::Tensor given = view_of(types_[index_of(id)], const_cast<void*>(inputs[i]));
    if (accelerator_.is_staged()) {
      part.staged_inputs[i].copy_(given, /*non_blocking=*/true);
      values_[index_of(id)] = part.staged_inputs[i];
    } else {
      // The caller's memory is the caller's again after this segment.
      values_[index_of(id)] = keeps_values_ ? given.clone() : given;
    }
  }
}

void Executable::run_steps(Part& part) {
  part.checks->start();
  for (Step& step : part.steps) {
    in_.clear();
    for (ir::ValueId id : step.inputs) {
      if (id == ir::kNoValue) {
        in_.emplace_back();
      } else {
        const at::Tensor& constant = constants_[index_of(id)];
        in_.push_back(constant.defined() ? constant : values_[index_of(id)]);
      }
    }
    out_.assign(step.outputs.size(), at::Tensor());
    step.kernel(in_, out_);
    for (size_t o = 0; o < out_.size(); ++o) {
      const ir::ValueId id = step.outputs[o];
      if (id == ir::kNoValue) continue;
      const ir::TensorDesc& type = types_[index_of(id)];
      TORCH_CHECK(out_[o].defined() && out_[o].scalar_type() == scalar_type(type.dtype) &&
                      std::ranges::equal(out_[o].sizes(), type.shape.dims()),
                  step.what, ": PyTorch gave another shape or type than ", type.shape.text());
      values_[index_of(id)] = std::move(out_[o]);
    }
    in_.clear();
    for (ir::ValueId id : step.last_use) values_[index_of(id)].reset();
  }
  part.found = part.checks->found();
}

// Shapes are static: once things have settled, an accelerator records a segment and repeats it.
void Executable::compute(Part& part) {
  constexpr uint64_t kWarmUps = 1;
  if (part.recording == nullptr && part.runs++ == kWarmUps) {
    part.recording = accelerator_.record([&] { run_steps(part); });
    if (part.recording != nullptr) {
      for (ir::ValueId id : part.outputs) part.recorded_outputs.push_back(values_[index_of(id)]);
    }
  }
  if (part.recording != nullptr) {
    part.recording->replay();
  } else {
    run_steps(part);
  }
}

void Executable::run(size_t segment, const void* const* inputs, void* const* outputs,
                     device::torch_abi::Times& times) {
  Part& part = parts_.at(segment);
  if (at::get_num_threads() != threads_) at::set_num_threads(threads_);
  const uint64_t start = now_ns();
  accelerator_.with_current([&] {
    bring_inputs(part, inputs);
    const uint64_t brought = now_ns();
    compute(part);
    const uint64_t computed = now_ns();
    for (size_t o = 0; o < part.outputs.size(); ++o) {
      const ir::ValueId id = part.outputs[o];
      const at::Tensor& from = part.recording ? part.recorded_outputs[o] : values_[index_of(id)];
      view_of(types_[index_of(id)], outputs[o]).copy_(from, /*non_blocking=*/true);
    }
    for (ir::ValueId id : part.last_use) values_[index_of(id)].reset();
    const uint64_t queued = now_ns();
    accelerator_.synchronize();
    // Copies of an accelerator run while this thread waits: they are counted as computation.
    times.transfer_ns += (brought - start) + (queued - computed);
    times.compute_ns += (computed - brought) + (now_ns() - queued);
    if (!part.found.defined()) return;
    if (const Status status = part.checks->verdict(part.found.to(at::kCPU)); !status.ok()) {
      throw Failure(status);
    }
  });
}

}  // namespace taoism::torch_module
