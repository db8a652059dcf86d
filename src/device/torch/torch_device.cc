#include "device/torch/torch_device.h"

#include <algorithm>
#include <map>

#include "device/torch/load_module.h"
#include "ir/codec.h"
#include "ops/graph_view.h"
#include "ops/op.h"

namespace taoism::device {
namespace {

using torch_abi::Module;

Status status_of(const torch_abi::Error& error) {
  return {static_cast<Code>(error.code), error.text};
}

// A graph as the module takes it; refers to constants of the graph that it was made from.
class Encoded {
 public:
  explicit Encoded(const ir::PartitionedGraph& graph) : graph_(ir::encode(graph)) {
    for (const auto& constant : graph_.constants) {
      const ir::TensorDesc& desc = constant->desc;
      torch_abi::Constant& to = constants_.emplace_back();
      to.dtype = static_cast<uint8_t>(desc.dtype);
      to.rank = static_cast<uint8_t>(desc.shape.rank());
      std::copy(desc.shape.begin(), desc.shape.end(), to.dims);
      to.data = constant->data;
    }
  }
  torch_abi::Graph view() const {
    return {graph_.bytes.data(), graph_.bytes.size(), constants_.data(), constants_.size()};
  }

 private:
  ir::EncodedGraph graph_;
  std::vector<torch_abi::Constant> constants_;
};

// What the module relies on; a graph may come from a package that nobody has checked.
Status check_nodes(const ir::Graph& graph) {
  for (const ir::Node& node : graph.nodes()) {
    if (node.placement != ir::Placement::device) continue;
    const ops::OpDef* op = ops::find_op(node.op);
    if (op == nullptr) {
      return unsupported(node.op + " '" + node.name + "': no such operator");
    }
    TAOISM_RETURN_IF_ERROR(ops::check_types(*op, ops::GraphNodeView(graph, node).view()));
  }
  return {};
}

struct SegmentTypes {
  std::vector<ir::TensorDesc> inputs, outputs;
};

class TorchExecutable final : public Executable {
 public:
  TorchExecutable(const Module& module, void* handle, const ir::PartitionedGraph& graph)
      : module_(module), handle_(handle) {
    for (const ir::Segment& segment : graph.segments) {
      SegmentTypes& types = types_.emplace_back();
      if (segment.placement != ir::Placement::device) continue;
      for (ir::ValueId id : segment.inputs) types.inputs.push_back(graph.graph.value(id).desc);
      for (ir::ValueId id : segment.outputs) types.outputs.push_back(graph.graph.value(id).desc);
    }
  }
  ~TorchExecutable() override { module_.release(handle_); }
  TorchExecutable(const TorchExecutable&) = delete;
  TorchExecutable& operator=(const TorchExecutable&) = delete;

  std::byte* allocate_crossing(size_t bytes) override {
    return static_cast<std::byte*>(module_.allocate_crossing(handle_, bytes));
  }

  Status run(size_t segment, std::span<const ir::ConstTensorView> inputs,
             std::span<const ir::TensorView> outputs, RunTimes& times) override {
    TAOISM_CHECK(segment < types_.size());
    const SegmentTypes& types = types_[segment];
    TAOISM_CHECK(inputs.size() == types.inputs.size() && outputs.size() == types.outputs.size());
    in_.clear();
    out_.clear();
    for (size_t i = 0; i < inputs.size(); ++i) {
      TAOISM_CHECK(inputs[i].desc == types.inputs[i]);
      in_.push_back(inputs[i].data);
    }
    for (size_t o = 0; o < outputs.size(); ++o) {
      TAOISM_CHECK(outputs[o].desc == types.outputs[o]);
      out_.push_back(outputs[o].data);
    }
    torch_abi::Times spent = {};
    torch_abi::Error error = {};
    if (!module_.run(handle_, segment, in_.data(), out_.data(), &spent, &error)) {
      return status_of(error);
    }
    times.compute_ns += spent.compute_ns;
    times.transfer_ns += spent.transfer_ns;
    return {};
  }

  uint64_t memory_bytes() const override { return module_.memory_bytes(handle_); }

 private:
  const Module& module_;
  void* handle_;
  std::vector<SegmentTypes> types_;
  std::vector<const void*> in_;
  std::vector<void*> out_;
};

class TorchDevice final : public Device {
 public:
  TorchDevice(const Module& module, void* handle, const TorchOptions& options)
      : module_(module), handle_(handle), options_(options) {}
  ~TorchDevice() override { module_.close(handle_); }
  TorchDevice(const TorchDevice&) = delete;
  TorchDevice& operator=(const TorchDevice&) = delete;

  std::string name() const override { return "torch:" + options_.device; }
  size_t threads() const override { return options_.threads; }

  // Asks about the node alone, as a graph of its own.
  Status supports(const ir::Graph& graph, const ir::Node& node) const override {
    ir::PartitionedGraph alone;
    ir::Segment segment;
    ir::Node copy = node;
    copy.placement = ir::Placement::device;
    std::map<ir::ValueId, ir::ValueId> known;
    for (ir::ValueId& id : copy.inputs) {
      if (id == ir::kNoValue) continue;
      const ir::Value& value = graph.value(id);
      const auto [at, is_new] = known.emplace(id, ir::kNoValue);
      if (is_new && value.is_constant()) {
        at->second = alone.graph.add_constant(value.name, value.constant);
      } else if (is_new) {
        at->second = alone.graph.add_input(value.name, value.desc);
        segment.inputs.push_back(at->second);
      }
      id = at->second;
    }
    for (ir::ValueId& id : copy.outputs) {
      if (id == ir::kNoValue) continue;
      id = alone.graph.add_value(graph.value(id).name, graph.value(id).desc);
      segment.outputs.push_back(id);
    }
    alone.graph.set_outputs(segment.outputs);
    segment.nodes = {alone.graph.add_node(std::move(copy))};
    alone.segments.push_back(std::move(segment));
    TAOISM_RETURN_IF_ERROR(check_nodes(alone.graph));
    const Encoded encoded(alone);
    const torch_abi::Graph view = encoded.view();
    torch_abi::Error error = {};
    if (!module_.supports(handle_, &view, &error)) return status_of(error);
    return {};
  }

  Result<std::unique_ptr<Executable>> compile(const ir::PartitionedGraph& graph) override {
    TAOISM_RETURN_IF_ERROR(check_nodes(graph.graph));
    const Encoded encoded(graph);
    const torch_abi::Graph view = encoded.view();
    torch_abi::Error error = {};
    void* executable = nullptr;
    if (!module_.compile(handle_, &view, &executable, &error)) return status_of(error);
    return std::unique_ptr<Executable>(
        std::make_unique<TorchExecutable>(module_, executable, graph));
  }

 private:
  const Module& module_;
  void* handle_;
  TorchOptions options_;
};

}  // namespace

Result<std::unique_ptr<Device>> open_torch(const TorchOptions& options) {
  if (options.threads == 0 || options.threads > 1024) {
    return invalid_argument("--device-threads: " + std::to_string(options.threads) +
                            " is not in 1..1024");
  }
  TAOISM_ASSIGN_OR_RETURN(const Module* module, load_torch_module(options.module_path));
  const torch_abi::OpenOptions request = {options.device.c_str(), options.threads,
                                          static_cast<uint8_t>(options.staged_for_testing)};
  torch_abi::Error error = {};
  void* device = nullptr;
  if (!module->open(&request, &device, &error)) return status_of(error);
  return std::unique_ptr<Device>(std::make_unique<TorchDevice>(*module, device, options));
}

TorchFinding probe_torch(const std::string& module_path) {
  const Result<const Module*> module = load_torch_module(module_path);
  if (!module.ok()) return {false, module.status().message(), 0, "there is no torch device"};
  torch_abi::Info info = {};
  (*module)->describe(&info);
  return {true, std::string("PyTorch ") + info.torch_version, info.cuda_devices, info.cuda_reason};
}

}  // namespace taoism::device
