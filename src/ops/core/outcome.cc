#include "ops/outcome.h"

namespace taoism::ops {

std::string fault_text(const Outcome& outcome) {
  switch (outcome.fault) {
    case Fault::none: return "";
    case Fault::division_by_zero: return "divides an integer by 0";
    case Fault::index_out_of_range: break;
  }
  const std::string index = "index " + std::to_string(outcome.index);
  if (outcome.dim == 0) return index + " of a dimension without elements";
  return index + " is not in [" + std::to_string(-outcome.dim) + ", " +
         std::to_string(outcome.dim - 1) + "]";
}

}  // namespace taoism::ops
