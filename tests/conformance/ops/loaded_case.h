// A case with its data where an executor would put it, and memory of exactly the declared sizes
// between guards: what the suites of this folder run operators with.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include <gtest/gtest.h>

#include "cases.h"
#include "kernels/target.h"
#include "ops/graph_view.h"
#include "ops/op.h"

namespace taoism::conformance {

// A thread of its own for every run: slow, and with no state that a test could leave behind.
class TwoThreads final : public Parallel {
 public:
  size_t threads() const override { return 2; }
  void run(size_t count, Task task, void* context) override {
    std::atomic<size_t> next = 0;
    const auto work = [&](size_t thread) {
      for (size_t i = next++; i < count; i = next++) task(context, i, thread);
    };
    std::thread other(work, 1);
    work(0);
    other.join();
  }
};

// Memory between two guards that must survive.
class Guarded {
 public:
  explicit Guarded(size_t bytes)
      : bytes_(bytes), buffer_(round_up(bytes, kAlignment) + 2 * kGuard) {
    std::memset(buffer_.data(), 0xA5, buffer_.size());
  }
  std::byte* data() { return buffer_.data() + kGuard; }
  const float* f32() { return reinterpret_cast<const float*>(data()); }
  bool intact() const {
    const auto untouched = [](std::byte b) { return b == std::byte{0xA5}; };
    const auto all = buffer_.span();
    return std::all_of(all.begin(), all.begin() + kGuard, untouched) &&
           std::all_of(all.begin() + static_cast<std::ptrdiff_t>(kGuard + bytes_), all.end(),
                       untouched);
  }

 private:
  static constexpr size_t kGuard = 256;
  size_t bytes_;
  AlignedBuffer buffer_;
};

// Calls test() once for every kernel target of this machine.
template <typename Test>
void for_each_target(Test&& test) {
  for (int t = 0; t < kernels::kTargetCount; ++t) {
    const kernels::Target before = kernels::current_target();
    if (!kernels::force_target_for_testing(static_cast<kernels::Target>(t))) continue;
    SCOPED_TRACE(kernels::target_name());
    test();
    kernels::set_target(before);
  }
}

struct Computed {
  Guarded output;
  ops::Outcome outcome;
};

// Weights packed for the current target, tensors as they are.
class LoadedCase {
 public:
  explicit LoadedCase(const OpCase& op_case)
      : graph_(graph_of(op_case)),
        def_(*ops::find_op(op_case.op)),
        holder_(graph_, graph_.node(0)),
        attrs_(ops::chosen_attrs(def_, holder_.view())),
        view_{holder_.view().name, attrs_, holder_.view().inputs, holder_.view().outputs},
        tensors_(inputs_of(op_case)) {
    size_t next_tensor = 0;
    for (size_t i = 0; i < view_.inputs.size(); ++i) {
      const ops::Input& input = view_.inputs[i];
      if (!input.present) {
        inputs_.push_back(nullptr);
      } else if (!input.is_weight) {
        inputs_.push_back(tensors_[next_tensor++]->data);
      } else {
        const size_t bytes = def_.packed_bytes != nullptr ? def_.packed_bytes(view_, i) : 0;
        if (bytes == 0) {
          inputs_.push_back(input.constant->data);
          continue;
        }
        packed_.emplace_back(bytes);
        def_.pack(view_, i, input.constant->data, packed_.back().data());
        EXPECT_TRUE(packed_.back().intact()) << "packing input " << i << " writes past its size";
        inputs_.push_back(packed_.back().data());
      }
    }
  }

  const ops::OpDef& def() const { return def_; }
  const ops::NodeView& view() const { return view_; }
  const std::vector<const std::byte*>& inputs() const { return inputs_; }
  bool may_run_in_place() const {
    return def_.storage != ops::Storage::fresh && !view_.inputs[0].is_weight &&
           view_.inputs[0].desc.bytes() == view_.outputs[0].bytes();
  }

  Computed run(Parallel& parallel, bool in_place = false) const {
    return run(view_, inputs_, parallel, in_place);
  }
  // As a part of the case that `view` describes. Fails the test when memory around the output or
  // the scratch is touched.
  Computed run(const ops::NodeView& view, std::vector<const std::byte*> inputs, Parallel& parallel,
               bool in_place = false) const {
    Computed computed{Guarded(view.outputs[0].bytes()), {}};
    Guarded& output = computed.output;
    if (in_place) {
      std::memcpy(output.data(), inputs[0], view.outputs[0].bytes());
      inputs[0] = output.data();
    }
    const size_t scratch_bytes =
        def_.scratch_bytes != nullptr ? def_.scratch_bytes(view, parallel.threads()) : 0;
    Guarded scratch(scratch_bytes);
    std::byte* out = output.data();
    computed.outcome = def_.run({view,
                                 inputs,
                                 std::span<std::byte* const>(&out, 1),
                                 {scratch.data(), scratch_bytes},
                                 parallel});
    EXPECT_TRUE(output.intact()) << "wrote outside the output";
    EXPECT_TRUE(scratch.intact()) << "wrote outside the scratch";
    return computed;
  }

 private:
  ir::Graph graph_;
  const ops::OpDef& def_;
  ops::GraphNodeView holder_;
  ir::Attrs attrs_;
  ops::NodeView view_;
  std::vector<std::shared_ptr<const ir::Constant>> tensors_;
  std::vector<Guarded> packed_;
  std::vector<const std::byte*> inputs_;
};

}  // namespace taoism::conformance
