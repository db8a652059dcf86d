// Outcome: how the computation of a node ended. The list of faults is closed: of what a TEE meets,
// the kind alone crosses its boundary, as a number (wire::Text has a line for each). A fault ends
// the request that met it and leaves the session usable: it says that the request was wrong, and
// nothing of memory. Trusted. Thread-safety: values.
#pragma once

#include <cstdint>
#include <string>

namespace taoism::ops {

enum class Fault : uint8_t {
  none,
  index_out_of_range,  // an index that names no element
  division_by_zero,    // an integer divided by 0
};

struct [[nodiscard]] Outcome {
  Fault fault = Fault::none;
  // Of index_out_of_range: the index, and the extent of the dimension that it counts. Of several
  // the first in the tensor's order, whatever the threads. Private inside a TEE.
  int64_t index = 0;
  int64_t dim = 0;

  bool ok() const { return fault == Fault::none; }
};

inline Outcome out_of_range(int64_t index, int64_t dim) {
  return {Fault::index_out_of_range, index, dim};
}

// "index 7 is not in [-4, 3]": what a message says after the node's name; empty when ok.
std::string fault_text(const Outcome& outcome);

}  // namespace taoism::ops
