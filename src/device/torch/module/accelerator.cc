#include "device/torch/module/accelerator.h"

#include <ATen/Context.h>
#include <ATen/ops/empty.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstdlib>
#include <cstring>

#if __has_include(<ATen/accelerator/Graph.h>)
#include <ATen/accelerator/Graph.h>
#define TAOISM_HAS_GRAPHS 1
#endif

namespace taoism::torch_module {
namespace {

// The caller's choice of TF32 for products, which would cost three digits, is put back afterwards.
class ExactProducts {
 public:
  ExactProducts() {
    at::globalContext().setAllowTF32CuDNN(false);
    at::globalContext().setAllowTF32CuBLAS(false);
  }
  ~ExactProducts() {
    at::globalContext().setAllowTF32CuDNN(cudnn_);
    at::globalContext().setAllowTF32CuBLAS(cublas_);
  }
  ExactProducts(const ExactProducts&) = delete;
  ExactProducts& operator=(const ExactProducts&) = delete;

 private:
  bool cudnn_ = at::globalContext().allowTF32CuDNN();
  bool cublas_ = at::globalContext().allowTF32CuBLAS();
};

bool graphs_are_wanted() {
  const char* wanted = std::getenv("TAOISM_TORCH_GRAPHS");
  return wanted == nullptr || std::strcmp(wanted, "0") != 0;
}

#if defined(TAOISM_HAS_GRAPHS)
class GraphRecording final : public Accelerator::Recording {
 public:
  explicit GraphRecording(const std::function<void()>& work) {
    graph_.capture_begin({0, 0}, at::GraphCaptureMode::ThreadLocal);
    try {
      work();
    } catch (...) {
      try {
        graph_.capture_end();
      } catch (...) {  // NOLINT: the first error is the one to tell
      }
      throw;
    }
    graph_.capture_end();
  }
  void replay() override { graph_.replay(); }

 private:
  at::accelerator::Graph graph_;
};
#endif

}  // namespace

int cuda_device_count(std::string& reason) {
  reason.clear();
  if (!at::globalContext().hasCUDA()) {
    if (!c10::impl::hasDeviceGuardImpl(c10::DeviceType::CUDA)) {
      reason = "this PyTorch was built without CUDA: install one with it and build the module anew";
    } else {
      reason = "PyTorch has CUDA but finds no usable GPU: see whether nvidia-smi lists one";
    }
    return 0;
  }
  const int count = c10::impl::getDeviceGuardImpl(c10::DeviceType::CUDA)->deviceCount();
  if (count == 0)
    reason = "PyTorch has CUDA but finds no usable GPU: see whether nvidia-smi lists one";
  return count;
}

Accelerator::Accelerator(at::Device device, bool staged)
    : device_(device), staged_(staged || !device.is_cpu()) {
  if (device.is_cpu()) return;
  // Not the default stream, which cannot be recorded, and on which other work would be waited for.
  const c10::impl::VirtualGuardImpl guard(device.type());
  stream_ = guard.getStreamFromGlobalPool(device, /*isHighPriority=*/false);
}

Accelerator::~Accelerator() = default;

void Accelerator::with_current(const std::function<void()>& work) {
  const c10::InferenceMode inference;
  if (!stream_) return work();
  const c10::DeviceGuard on_device(device_);
  const c10::StreamGuard on_stream(*stream_);
  const ExactProducts exact;
  work();
}

void Accelerator::synchronize() {
  if (stream_) stream_->synchronize();
}

std::byte* Accelerator::allocate_pinned(size_t bytes) {
  if (!stream_) return nullptr;
  const auto options = at::TensorOptions().dtype(at::kByte).pinned_memory(true);
  pinned_.push_back(at::empty({static_cast<int64_t>(bytes)}, options));
  return static_cast<std::byte*>(pinned_.back().data_ptr());
}

std::unique_ptr<Accelerator::Recording> Accelerator::record(const std::function<void()>& work) {
  if (!stream_ || !graphs_are_wanted()) return nullptr;
#if defined(TAOISM_HAS_GRAPHS)
  if (!at::has_graph_impl(device_.type())) return nullptr;
  try {
    return std::make_unique<GraphRecording>(work);
  } catch (const c10::Error& error) {
    TORCH_CHECK(false, "a graph of the segment could not be recorded (",
                error.what_without_backtrace(), "): set TAOISM_TORCH_GRAPHS=0 to run without");
  }
#else
  return nullptr;
#endif
}

}  // namespace taoism::torch_module
