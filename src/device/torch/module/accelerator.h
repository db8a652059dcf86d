// All that differs between PyTorch's CPU and an accelerator: where memory that both reach comes
// from, the stream on which work is queued, waiting for it, and recording it as a graph. Nothing
// else in this folder asks what it runs on, but for memory formats. Written against PyTorch's own
// device-independent interfaces, so that one build serves both.
// Thread-safety: one thread at a time per object.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Stream.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace taoism::torch_module {

// How many GPUs PyTorch can use; with 0, why.
int cuda_device_count(std::string& reason);

class Accelerator {
 public:
  // `staged`: on the CPU too, tensors are copied in and out as for a GPU. Throws.
  Accelerator(at::Device device, bool staged);
  ~Accelerator();
  Accelerator(const Accelerator&) = delete;
  Accelerator& operator=(const Accelerator&) = delete;

  at::Device device() const { return device_; }
  // Whether inputs go through tensors of this side that stay where they are.
  bool is_staged() const { return staged_; }
  // Calls `work` with this device, its stream and exact float32 products current.
  void with_current(const std::function<void()>& work);
  // Waits for all that was queued.
  void synchronize();
  // Page-locked host memory, which copies reach while other work goes on; null on the CPU. Lives
  // as long as this object.
  std::byte* allocate_pinned(size_t bytes);

  // What `work` queues, recorded to be queued again at once.
  class Recording {
   public:
    virtual ~Recording() = default;
    virtual void replay() = 0;
  };
  // Null where nothing can be recorded: the CPU, a PyTorch without graphs, TAOISM_TORCH_GRAPHS=0.
  // Called inside with_current. Throws, naming that variable.
  std::unique_ptr<Recording> record(const std::function<void()>& work);

 private:
  at::Device device_;
  bool staged_;
  std::optional<c10::Stream> stream_;
  std::vector<at::Tensor> pinned_;
};

}  // namespace taoism::torch_module
