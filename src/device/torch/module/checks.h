// Checks: what the nodes of a segment cannot do with the elements that they are given, an index out
// of range or an integer divided by 0. A kernel queues the search beside its work, which stays in
// bounds whatever it finds; what was found is read once, after the segment, so that nothing waits
// for it and a recorded segment can be repeated. Thread-safety: one thread at a time per object.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "ops/outcome.h"

namespace taoism::torch_module {

class Checks {
 public:
  // Of one input of one node. With `dims`, element i is an index that counts dims[i % dims.size()];
  // without, it is a divisor.
  struct Check {
    std::string node;  // "Gather 'embed'"
    std::vector<int64_t> dims;
    at::Tensor sizes;  // dims, where the elements are
  };

  // Forgets what the last run queued.
  void start() { queued_.clear(); }
  // `check` must outlive the next verdict().
  void look(const Check& check, const at::Tensor& elements) {
    queued_.push_back({&check, search(check, elements)});
  }
  // All that was found since start(), where it was found; undefined when nothing was looked for.
  at::Tensor found() const;
  // What `found`, brought to the CPU, says: invalid_argument naming the first node's first fault.
  Status verdict(const at::Tensor& found) const;

  // The same for elements that are known while compiling, on the CPU.
  static Status verdict(const Check& check, const at::Tensor& elements);

 private:
  struct Queued {
    const Check* check;
    at::Tensor found;
  };

  // int64 [3]: how many elements there are, the number of the first wrong one, as many where there
  // is none, and that element.
  static at::Tensor search(const Check& check, const at::Tensor& elements);
  static Status status_of(const Check& check, const int64_t* found);

  std::vector<Queued> queued_;
};

}  // namespace taoism::torch_module
