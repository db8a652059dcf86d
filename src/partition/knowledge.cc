#include "partition/knowledge.h"

#include <algorithm>

namespace taoism::partition {

Knowledge::Knowledge(const ir::Graph& graph) : origins_(graph.origins()) {
  origin_of_.resize(graph.value_count());
  for (size_t v = 0; v < graph.value_count(); ++v) {
    const ir::Value& value = graph.value(static_cast<ir::ValueId>(v));
    if (!value.is_constant()) continue;
    if (value.origin != ir::kNoOrigin) {
      origin_of_[v] = static_cast<size_t>(value.origin);
      continue;
    }
    origin_of_[v] = origins_.size();
    origins_.push_back({.elems = static_cast<uint64_t>(value.desc.shape.elements())});
  }
  had_.resize(origins_.size());
}

size_t Knowledge::origin_of(ir::ValueId constant) const {
  return origin_of_[static_cast<size_t>(constant)];
}

void Knowledge::add(ir::ValueId constant, uint64_t elems) {
  uint64_t& had = had_[origin_of(constant)];
  had = std::max(had, elems);
}

std::vector<uint64_t> Knowledge::known() const {
  std::vector<uint64_t> known = had_;
  const auto raise = [&](size_t o, uint64_t elems) {
    known[o] = std::min(origins_[o].elems, std::max(known[o], elems));
  };
  // Backwards: what is computed from something tells of it.
  for (size_t o = origins_.size(); o-- > 0;) {
    raise(o, 0);
    for (const ir::OriginId id : origins_[o].from) {
      const auto from = static_cast<size_t>(id);
      raise(from, known[from] + known[o]);
    }
  }
  // Forwards: of what is computed no more is missing than of all that it comes from, nor is more
  // known.
  for (size_t o = 0; o < origins_.size(); ++o) {
    const uint64_t elems = origins_[o].elems;
    if (origins_[o].is_public) known[o] = elems;
    uint64_t missing = 0, there = 0;
    for (const ir::OriginId id : origins_[o].from) {
      const auto from = static_cast<size_t>(id);
      missing = std::min(elems, missing + origins_[from].elems - known[from]);
      there = std::min(elems, there + known[from]);
    }
    raise(o, std::min(there, elems - missing));
  }
  return known;
}

}  // namespace taoism::partition
