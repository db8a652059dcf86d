// Device: a place to run segments, trusted or not. The runtime schedules over this interface alone;
// a new device is one folder that implements it and one line in tests/conformance/device.
// Thread-safety: one thread at a time per object, unless a device says more.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "base/status.h"
#include "ir/segment.h"

namespace taoism::device {

// Where the time of one run() went, in ns, as measured by the side that did it. What is left of
// run()'s duration is `wait`: hand-over between the sides.
struct RunTimes {
  uint64_t compute_ns = 0;
  uint64_t transfer_ns = 0;  // copying tensors across the boundary
  uint64_t crypto_ns = 0;    // sealing, opening, masking
};

class Executable {
 public:
  virtual ~Executable() = default;

  // Memory in which segment inputs/outputs are best placed (shared with the TEE, pinned for a GPU),
  // kAlignment-aligned, living as long as the executable; null when ordinary memory is as good.
  virtual std::byte* allocate_crossing(size_t bytes) { return nullptr; }
  // Runs partition segment `segment` (index into the PartitionedGraph's segments; it must be placed
  // on this side). `inputs` and `outputs` match the segment's lists in order and type. Values that
  // live between segments of this side stay inside. Errors: unavailable (died), integrity, policy;
  // invalid_argument for what an operator cannot do with these elements (an index out of range):
  // the outputs then hold anything, and the first segment may run again.
  virtual Status run(size_t segment, std::span<const ir::ConstTensorView> inputs,
                     std::span<const ir::TensorView> outputs, RunTimes& times) = 0;
  // Bytes this executable holds on its side: weights, activations, scratch.
  virtual uint64_t memory_bytes() const = 0;
};

class Device {
 public:
  virtual ~Device() = default;

  virtual std::string name() const = 0;  // "cpu", "torch:cuda:0", "tee:process"
  virtual ir::Placement side() const { return ir::Placement::device; }
  virtual size_t threads() const = 0;
  // Errors: unsupported naming the node and the reason.
  virtual Status supports(const ir::Graph& graph, const ir::Node& node) const = 0;
  // Compiles all segments placed on this side. `graph` must outlive the call, not the executable.
  // Errors: unsupported, resource_exhausted (names the memory that would do), unavailable.
  virtual Result<std::unique_ptr<Executable>> compile(const ir::PartitionedGraph& graph) = 0;
};

}  // namespace taoism::device
