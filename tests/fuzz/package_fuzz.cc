// Hostile packages (package_input.h): opening one and preparing each of its batches end in an error
// of one line or in graphs of which the device compiles and runs its part, or says why not. No TEE
// is started: what it is given is in attack_test.
#include "device/cpu/cpu_device.h"
#include "hostile_file.h"
#include "kernels/target.h"
#include "package/package.h"
#include "package_input.h"

namespace taoism::fuzz {
namespace {

// A package may name tensors as large as a model may have: what needs more is not run here.
constexpr uint64_t kMostBytes = 1 << 20;
constexpr size_t kMostBatches = 4;

constexpr auto kRefusals = {Code::invalid_argument, Code::integrity, Code::unsupported,
                            Code::resource_exhausted};

bool is_small(const ir::Graph& graph) {
  uint64_t bytes = 0;
  for (size_t v = 0; v < graph.value_count(); ++v) {
    bytes += graph.value(static_cast<ir::ValueId>(v)).desc.bytes();
    if (bytes > kMostBytes) return false;
  }
  return true;
}

// What the TEE would hand over is zero.
void run_device(const ir::PartitionedGraph& partition) {
  static const std::unique_ptr<device::Device> device = device::open_cpu({.threads = 1}).value();
  const auto executable = device->compile(partition);
  if (!executable.ok()) return check_refusal(executable.status(), kRefusals);
  std::vector<AlignedBuffer> memory;
  for (size_t v = 0; v < partition.graph.value_count(); ++v) {
    const uint64_t bytes = partition.graph.value(static_cast<ir::ValueId>(v)).desc.bytes();
    memory.emplace_back(std::max<size_t>(bytes, 1));
  }
  for (size_t s = 0; s < partition.segments.size(); ++s) {
    const ir::Segment& segment = partition.segments[s];
    if (segment.placement != ir::Placement::device) continue;
    std::vector<ir::ConstTensorView> inputs;
    std::vector<ir::TensorView> outputs;
    for (const ir::ValueId v : segment.inputs) {
      inputs.push_back({partition.graph.value(v).desc, memory[static_cast<size_t>(v)].data()});
    }
    for (const ir::ValueId v : segment.outputs) {
      outputs.push_back({partition.graph.value(v).desc, memory[static_cast<size_t>(v)].data()});
    }
    device::RunTimes times;
    TAOISM_CHECK((*executable)->run(s, inputs, outputs, times).ok());
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const TestFolder folder;
  kernels::set_target(kernels::Target::portable);
  const std::string path =
      folder.write("m.tao", package_file({reinterpret_cast<const char*>(data), size}));
  const auto opened = package::Package::open(path);
  if (!opened.ok()) return check_refusal(opened.status(), kRefusals), 0;
  const package::Package& package = **opened;
  for (size_t b = 0; b < std::min(package.manifest().batches.size(), kMostBatches); ++b) {
    const int64_t batch = package.manifest().batches[b].batch;
    TAOISM_CHECK(package.batch_at_most(batch) == batch);
    const auto prepared = package.prepare(batch, {});
    if (!prepared.ok()) {
      check_refusal(prepared.status(), kRefusals);
      continue;
    }
    const tee::SealedProgram& sealed = *prepared->sealed;
    TAOISM_CHECK(sealed.index < package.file().head().count(store::PartKind::program));
    if (is_small(prepared->partitioned.graph)) run_device(prepared->partitioned);
  }
  return 0;
}

}  // namespace taoism::fuzz
