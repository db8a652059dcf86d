// What who has some of a graph's constants knows of the others: a transposed table follows from the
// table, and the other way round. Counted in elements, from what each was computed from
// (ir::Origin): of a tensor as many as are had of it or of what was computed from it; of what was
// computed, all but as many as are missing of what it comes from; of a part of a tensor, as many as
// are had of the tensor in parts that may lie in it. Host only. Thread-safety: as a std::vector.
#pragma once

#include <vector>

#include "ir/graph.h"

namespace taoism::partition {

class Knowledge {
 public:
  explicit Knowledge(const ir::Graph& graph);

  // The number, below origin_count(), of what the constant has its elements from; constants that
  // have them from the same are one parameter.
  size_t origin_of(ir::ValueId constant) const;
  size_t origin_count() const { return origins_.size(); }
  uint64_t elems(size_t origin) const { return origins_[origin].elems; }
  // Says that so many elements of the constant are had. Of several of one origin the most count:
  // they are parts of the same.
  void add(ir::ValueId constant, uint64_t elems);
  // By origin: how many elements are known. Linear in the graph's size.
  std::vector<uint64_t> known() const;

 private:
  // `told`: by origin, what was had of it or of what comes from it.
  uint64_t known_elsewhere(size_t part, const std::vector<uint64_t>& known,
                           const std::vector<uint64_t>& told) const;

  std::vector<size_t> origin_of_;  // by value
  std::vector<ir::Origin> origins_;
  std::vector<uint64_t> had_;                  // by origin
  std::vector<std::vector<size_t>> parts_of_;  // by origin: those that come from it alone
};

}  // namespace taoism::partition
