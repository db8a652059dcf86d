// Parallel: how kernels use several threads without knowing who owns them. The host gives a thread
// pool, a TEE its own workers, a test the serial one. Trusted.
// Thread-safety: one `run` at a time per object.
#pragma once

#include <cstddef>
#include <type_traits>

namespace taoism {

class Parallel {
 public:
  using Task = void (*)(void* context, size_t index, size_t thread);

  virtual size_t threads() const = 0;
  // Calls task(context, i, t) once for every i in [0, count), from at most threads() threads; t in
  // [0, threads()) tells per-thread scratch apart. Tasks of run(threads(), ...) may wait for each
  // other: each gets a thread. Returns when all are done. Does not allocate.
  virtual void run(size_t count, Task task, void* context) = 0;

 protected:
  ~Parallel() = default;
};

class SerialParallel final : public Parallel {
 public:
  size_t threads() const override { return 1; }
  void run(size_t count, Task task, void* context) override {
    for (size_t i = 0; i < count; ++i) task(context, i, 0);
  }
};

// Calls function(index, thread) over [0, count); the callable is passed by address.
template <typename Function>
void parallel_for(Parallel& parallel, size_t count, Function&& function) {
  parallel.run(
      count,
      [](void* context, size_t index, size_t thread) {
        (*static_cast<std::remove_reference_t<Function>*>(context))(index, thread);
      },
      &function);
}

}  // namespace taoism
