#include "tee/tee_device.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "crypto/aead.h"
#include "ops/op.h"
#include "program/codec.h"
#include "program/lower.h"
#include "program/schedule.h"
#include "store/seal_weights.h"
#include "tee/owner_session.h"
#include "wire/ring.h"

namespace taoism::tee {
namespace {

using wire::Message;
using wire::MessageType;
using Clock = std::chrono::steady_clock;

constexpr uint64_t kMiB = uint64_t{1} << 20;

// What run() needs to know about a partition segment.
struct SegmentSizes {
  int program_segment = -1;
  std::vector<size_t> inputs;
  std::vector<size_t> outputs;
  std::string faulting;  // the nodes that may meet a fault: "Gather 'embed'"

  // Room for the list of slots and for each tensor.
  size_t staging_bytes() const {
    size_t bytes = round_up((inputs.size() + outputs.size()) * sizeof(wire::Range), kAlignment);
    for (const size_t tensor : inputs) bytes += round_up(tensor, kAlignment);
    for (const size_t tensor : outputs) bytes += round_up(tensor, kAlignment);
    return bytes;
  }
};

// The TEE does not say which node met a fault; here are those that may have.
std::string faulting_nodes(const ir::PartitionedGraph& graph, const ir::Segment& segment) {
  constexpr size_t kNamed = 3;
  std::string names;
  size_t count = 0;
  for (const ir::NodeId id : segment.nodes) {
    const ir::Node& node = graph.graph.node(id);
    const ops::OpDef* op = ops::find_op(node.op);
    if (op == nullptr || op->sure_fault == nullptr || ++count > kNamed) continue;
    names += (names.empty() ? "" : ", ") + node.op + " '" + node.name + "'";
  }
  return count > kNamed ? names + " and others" : names;
}

std::vector<SegmentSizes> segment_sizes(const ir::PartitionedGraph& graph) {
  std::vector<SegmentSizes> sizes(graph.segments.size());
  int next = 0;
  for (size_t s = 0; s < sizes.size(); ++s) {
    if (graph.segments[s].placement != ir::Placement::tee) continue;
    sizes[s].program_segment = next++;
    sizes[s].faulting = faulting_nodes(graph, graph.segments[s]);
    for (const ir::ValueId v : graph.segments[s].inputs) {
      sizes[s].inputs.push_back(graph.graph.value(v).desc.bytes());
    }
    for (const ir::ValueId v : graph.segments[s].outputs) {
      sizes[s].outputs.push_back(graph.graph.value(v).desc.bytes());
    }
  }
  return sizes;
}

std::string in_mib(uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof(text), bytes < kMiB / 10 && bytes != 0 ? "%.4f" : "%.1f",
                static_cast<double>(bytes) / static_cast<double>(kMiB));
  return text;
}

// The shortest exact text of a memory size, as --tee-memory takes it.
std::string memory_text(uint64_t bytes) {
  if (bytes % kMiB == 0) return std::to_string(bytes / kMiB) + "MiB";
  if (bytes % 1024 == 0) return std::to_string(bytes / 1024) + "KiB";
  return std::to_string(bytes);
}

Status over_budget(uint64_t budget, uint64_t least, uint64_t whole) {
  return resource_exhausted("no way to run the plan in --tee-memory " + memory_text(budget) +
                            ", streaming and splitting what can be: the least is " +
                            memory_text(least) + ", and " + in_mib(whole) +
                            " MiB hold everything: give --tee-memory " + memory_text(least));
}

Status over_budget(const program::Program& program, size_t threads, uint64_t budget) {
  constexpr program::Limits kNoLimit;
  const uint64_t whole =
      program::make_schedule(program, {kNoLimit.memory_bytes, threads})->arena_bytes();
  return over_budget(budget, program::smallest_memory(program, threads), whole);
}

// The payload area: staging for messages and tensors, the sealed weights, spilled activations, then
// what allocate_crossing() may hand out.
struct PayloadPlan {
  size_t staging_bytes = 0;
  wire::Range weights{};
  wire::Range spill{};
  size_t crossing_offset = 0;
  size_t bytes = 0;  // without a package file
};

PayloadPlan plan_payload(const std::vector<SegmentSizes>& segments, size_t encoded_bytes,
                         uint64_t weight_bytes, uint64_t spill_bytes) {
  PayloadPlan plan;
  plan.staging_bytes = OwnerSession::staging_bytes(encoded_bytes);
  // Each crossing value twice. Pages that nobody touches cost nothing.
  size_t crossing = 0;
  for (const SegmentSizes& segment : segments) {
    plan.staging_bytes = std::max(plan.staging_bytes, segment.staging_bytes());
    crossing += 2 * segment.staging_bytes();
  }
  plan.weights = {plan.staging_bytes, weight_bytes};
  plan.spill = {round_up(plan.weights.offset + weight_bytes, kAlignment), spill_bytes};
  plan.crossing_offset = round_up(plan.spill.offset + spill_bytes, kAlignment);
  plan.bytes = plan.crossing_offset + crossing;
  return plan;
}

class Executable final : public TeeExecutable {
 public:
  Executable(std::unique_ptr<Transport> transport, std::vector<SegmentSizes> segments,
             const PayloadPlan& payload, uint64_t budget_bytes)
      : transport_(std::move(transport)),
        segments_(std::move(segments)),
        payload_(payload),
        crossing_offset_(payload.crossing_offset),
        budget_bytes_(budget_bytes) {}

  // Agrees keys, seals the weights where the TEE will find them, and sends the program.
  Status load(const ir::Graph& graph, const program::Lowered& lowered,
              const store::WeightLayout& layout, ConstByteSpan encoded, const TeeOptions& options) {
    TAOISM_ASSIGN_OR_RETURN(OwnerSession session,
                            OwnerSession::open(*transport_, session_terms(options)));
    TAOISM_ASSIGN_OR_RETURN(store::StoreHeader header, store::new_store(/*version=*/1));
    TAOISM_RETURN_IF_ERROR(store::seal_weights(
        lowered.program, layout, header,
        [&](program::WeightId w, std::byte* packed) {
          program::pack_weight(graph, lowered, w, packed);
        },
        transport_->payload().subspan(payload_.weights.offset, payload_.weights.bytes)));
    const Result<wire::ProgramId> id =
        session.load_program(encoded, header, payload_.weights, payload_.spill);
    secure_wipe(header.secret.data(), header.secret.size());
    TAOISM_RETURN_IF_ERROR(id.status());
    program_ = *id;
    arena_bytes_ = peak_bytes_ = session.peak_arena_bytes();
    return {};
  }

  // Has the TEE open a program that lies sealed in the package file, behind the payload proper.
  Status load_packaged(const SealedProgram& program, const TeeOptions& options) {
    TAOISM_RETURN_IF_ERROR(OwnerSession::open(*transport_, session_terms(options)).status());
    const uint64_t file = transport_->payload().size() - program.file_bytes;
    wire::LoadPackaged request{};
    request.file = {file, program.file_bytes};
    request.index = program.index;
    request.spill = payload_.spill;
    wire::Reply reply;
    const Status status = transport_->call(Message::of(MessageType::load_packaged, request), reply);
    if (status.code() == Code::resource_exhausted && reply.needed_bytes != 0) {
      return over_budget(options.memory_bytes, reply.needed_bytes,
                         program.whole_memory(options.threads));
    }
    TAOISM_RETURN_IF_ERROR(status);
    const auto opened = reply.as<wire::LoadPackagedReply>();
    if (opened.package != program.package) {
      return integrity_error("the package file changed while it was being opened: run again");
    }
    program_ = opened.program;
    arena_bytes_ = peak_bytes_ = reply.peak_arena_bytes;
    return {};
  }

  std::byte* allocate_crossing(size_t bytes) override {
    const ByteSpan payload = transport_->payload();
    const size_t rounded = round_up(bytes, kAlignment);
    if (rounded > payload_.bytes - crossing_offset_) return nullptr;
    std::byte* memory = payload.data() + crossing_offset_;
    crossing_offset_ += rounded;
    return memory;
  }

  Status run(size_t segment, std::span<const ir::ConstTensorView> inputs,
             std::span<const ir::TensorView> outputs, device::RunTimes& times) override;

  uint64_t memory_bytes() const override { return arena_bytes_; }
  uint64_t peak_trusted_bytes() const override { return peak_bytes_; }
  uint64_t budget_bytes() const override { return budget_bytes_; }
  Status ping() override {
    wire::Reply reply;
    return transport_->call(Message::of(MessageType::ping), reply);
  }
  int worker_pid() const override { return transport_->worker_pid(); }
  std::vector<std::string> warnings() const override { return transport_->warnings(); }

 private:
  Status check_sizes(const SegmentSizes& sizes, std::span<const ir::ConstTensorView> inputs,
                     std::span<const ir::TensorView> outputs) const;
  // Where `data` lies in the payload area, or a place in the staging area.
  wire::Range place(const std::byte* data, size_t bytes, size_t& staging_used);

  std::unique_ptr<Transport> transport_;
  std::vector<SegmentSizes> segments_;
  const PayloadPlan payload_;
  wire::ProgramId program_{};
  size_t crossing_offset_;
  uint64_t budget_bytes_;
  uint64_t arena_bytes_ = 0;
  uint64_t peak_bytes_ = 0;
  std::vector<wire::Range> slots_;
};

Status Executable::check_sizes(const SegmentSizes& sizes,
                               std::span<const ir::ConstTensorView> inputs,
                               std::span<const ir::TensorView> outputs) const {
  bool match = inputs.size() == sizes.inputs.size() && outputs.size() == sizes.outputs.size();
  for (size_t i = 0; match && i < inputs.size(); ++i) {
    match = inputs[i].desc.bytes() == sizes.inputs[i];
  }
  for (size_t i = 0; match && i < outputs.size(); ++i) {
    match = outputs[i].desc.bytes() == sizes.outputs[i];
  }
  return match ? Status() : invalid_argument("the tensors given are not those of the TEE segment");
}

wire::Range Executable::place(const std::byte* data, size_t bytes, size_t& staging_used) {
  const ByteSpan payload = transport_->payload();
  if (data >= payload.data() && data < payload.data() + payload.size()) {
    return {static_cast<uint64_t>(data - payload.data()), bytes};
  }
  const wire::Range range{staging_used, bytes};
  staging_used += round_up(bytes, kAlignment);
  return range;
}

Status Executable::run(size_t segment, std::span<const ir::ConstTensorView> inputs,
                       std::span<const ir::TensorView> outputs, device::RunTimes& times) {
  if (segment >= segments_.size() || segments_[segment].program_segment < 0) {
    return invalid_argument("segment " + std::to_string(segment) + " is not placed in the TEE");
  }
  const SegmentSizes& sizes = segments_[segment];
  TAOISM_RETURN_IF_ERROR(check_sizes(sizes, inputs, outputs));

  std::byte* payload = transport_->payload().data();
  const size_t list_bytes = (inputs.size() + outputs.size()) * sizeof(wire::Range);
  size_t staging_used = round_up(list_bytes, kAlignment);
  slots_.clear();
  const Clock::time_point start = Clock::now();
  for (size_t i = 0; i < inputs.size(); ++i) {
    const wire::Range& slot =
        slots_.emplace_back(place(inputs[i].data, sizes.inputs[i], staging_used));
    std::byte* shared = payload + slot.offset;
    if (shared != inputs[i].data && slot.bytes != 0) {
      std::memcpy(shared, inputs[i].data, slot.bytes);
    }
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    slots_.push_back(place(outputs[i].data, sizes.outputs[i], staging_used));
  }
  if (list_bytes != 0) std::memcpy(payload, slots_.data(), list_bytes);
  const Clock::time_point sent = Clock::now();

  wire::RunSegment request{};
  request.program = program_;
  request.slots = {0, list_bytes};
  request.segment = static_cast<uint32_t>(sizes.program_segment);
  wire::Reply reply;
  const Status status = transport_->call(Message::of(MessageType::run_segment, request), reply);
  if (status.code() == Code::invalid_argument && !sizes.faulting.empty()) {
    return invalid_argument(status.message() + " (one of " + sizes.faulting + ")");
  }
  TAOISM_RETURN_IF_ERROR(status);

  const Clock::time_point answered = Clock::now();
  for (size_t i = 0; i < outputs.size(); ++i) {
    const wire::Range& slot = slots_[inputs.size() + i];
    const std::byte* shared = payload + slot.offset;
    if (shared != outputs[i].data && slot.bytes != 0) {
      std::memcpy(outputs[i].data, shared, slot.bytes);
    }
  }
  const auto copying = (sent - start) + (Clock::now() - answered);
  times.compute_ns += reply.compute_ns;
  times.crypto_ns += reply.crypto_ns;
  times.transfer_ns += reply.transfer_ns + static_cast<uint64_t>(copying.count());
  peak_bytes_ = std::max(peak_bytes_, reply.peak_arena_bytes);
  return {};
}

// What a plan that keeps nothing in the TEE compiles to: no worker is started for it.
class NothingToRun final : public TeeExecutable {
 public:
  explicit NothingToRun(uint64_t budget_bytes) : budget_bytes_(budget_bytes) {}
  Status run(size_t segment, std::span<const ir::ConstTensorView>, std::span<const ir::TensorView>,
             device::RunTimes&) override {
    return invalid_argument("segment " + std::to_string(segment) + " is not placed in the TEE");
  }
  uint64_t memory_bytes() const override { return 0; }
  uint64_t peak_trusted_bytes() const override { return 0; }
  uint64_t budget_bytes() const override { return budget_bytes_; }
  Status ping() override { return {}; }
  int worker_pid() const override { return 0; }
  std::vector<std::string> warnings() const override { return {}; }

 private:
  uint64_t budget_bytes_;
};

}  // namespace

Status TeeDevice::supports(const ir::Graph&, const ir::Node& node) const {
  const ops::OpDef* op = ops::find_op(node.op);
  if (op != nullptr && (op->run != nullptr || op->storage == ops::Storage::alias)) return {};
  return unsupported("node " + node.name + ": the TEE has no operator " + node.op);
}

Result<std::unique_ptr<device::Executable>> TeeDevice::compile(const ir::PartitionedGraph& graph) {
  TAOISM_ASSIGN_OR_RETURN(const program::Lowered lowered,
                          program::lower(graph, ir::Placement::tee));
  const program::Program& program = lowered.program;
  TeeOptions options = options_;
  // What holds a key takes packages alone; weights are packed for the kernels of this process.
  options.key_file.clear();
  if (!options.kernel_target.has_value()) options.kernel_target = kernels::current_target();
  if (program.segments.empty()) {
    return std::unique_ptr<device::Executable>(
        std::make_unique<NothingToRun>(options.memory_bytes));
  }
  // The same schedule that the TEE will make: what it predicts is what happens.
  program::Limits limits{.threads = options.threads};
  if (options.memory_bytes != 0) limits.memory_bytes = options.memory_bytes;
  const Result<program::Schedule> schedule = program::make_schedule(program, limits);
  if (!schedule.ok()) return over_budget(program, options.threads, options.memory_bytes);
  if (options.memory_bytes == 0) options.memory_bytes = schedule->arena_bytes();

  const std::vector<std::byte> encoded = program::encode(program);
  const store::WeightLayout layout(program);
  std::vector<SegmentSizes> sizes = segment_sizes(graph);
  const PayloadPlan payload =
      plan_payload(sizes, encoded.size(), layout.bytes(), store::spill_bytes(*schedule));
  TAOISM_ASSIGN_OR_RETURN(std::unique_ptr<Transport> transport, start_(options, payload.bytes));
  auto executable = std::make_unique<Executable>(std::move(transport), std::move(sizes), payload,
                                                 options.memory_bytes);
  TAOISM_RETURN_IF_ERROR(executable->load(graph.graph, lowered, layout, encoded, options));
  return std::unique_ptr<device::Executable>(std::move(executable));
}

Result<std::unique_ptr<device::Executable>> TeeDevice::open_sealed(
    const ir::PartitionedGraph& graph, const SealedProgram& program) const {
  TeeOptions options = options_;
  options.package_fd = program.fd;
  options.package_bytes = program.file_bytes;
  options.kernel_target = kernels::find_target(program.kernel_target);
  if (!options.kernel_target.has_value() || !kernels::target_supported(*options.kernel_target)) {
    return unsupported("the package's weights are packed for '" + program.kernel_target +
                       "', which this processor has not: seal it with --target " +
                       kernels::target_name(kernels::best_target()));
  }
  if (options.memory_bytes == 0) options.memory_bytes = program.whole_memory(options.threads);
  std::vector<SegmentSizes> sizes = segment_sizes(graph);
  const PayloadPlan payload = plan_payload(sizes, 0, 0, program.most_spill_bytes);
  TAOISM_ASSIGN_OR_RETURN(std::unique_ptr<Transport> transport, start_(options, payload.bytes));
  auto executable = std::make_unique<Executable>(std::move(transport), std::move(sizes), payload,
                                                 options.memory_bytes);
  TAOISM_RETURN_IF_ERROR(executable->load_packaged(program, options));
  return std::unique_ptr<device::Executable>(std::move(executable));
}

}  // namespace taoism::tee
