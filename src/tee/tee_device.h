// TeeDevice: a TEE behind the Device interface. compile() lowers, checks the budget before anything
// is started, and sends program and weights sealed; run() is one message. Host only.
// Thread-safety: as Device.
#pragma once

#include "tee/tee.h"
#include "tee/transport.h"

namespace taoism::tee {

using StartTransport = Result<std::unique_ptr<Transport>> (*)(const TeeOptions&, size_t);

class TeeDevice final : public device::Device {
 public:
  TeeDevice(TeeOptions options, StartTransport start)
      : options_(std::move(options)), start_(start) {}

  std::string name() const override { return "tee:" + options_.kind; }
  ir::Placement side() const override { return ir::Placement::tee; }
  size_t threads() const override { return options_.threads; }
  Status supports(const ir::Graph& graph, const ir::Node& node) const override;
  Result<std::unique_ptr<device::Executable>> compile(const ir::PartitionedGraph& graph) override;
  Result<std::unique_ptr<device::Executable>> open_sealed(const ir::PartitionedGraph& graph,
                                                          const SealedProgram& program) const;

 private:
  TeeOptions options_;
  StartTransport start_;
};

}  // namespace taoism::tee
