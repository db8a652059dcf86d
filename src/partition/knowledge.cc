#include "partition/knowledge.h"

#include <algorithm>

namespace taoism::partition {
namespace {

// Of a tensor that is cut into more parts, no two are compared: any may lie in any.
constexpr size_t kMostParts = 256;

bool are_apart(const ir::Box& a, const ir::Box& b) {
  for (size_t d = 0; d < a.begin.size() && d < b.begin.size(); ++d) {
    if (a.end[d] <= b.begin[d] || b.end[d] <= a.begin[d]) return true;
  }
  return false;
}

}  // namespace

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
  parts_of_.resize(origins_.size());
  for (size_t o = 0; o < origins_.size(); ++o) {
    const std::vector<ir::OriginId>& from = origins_[o].from;
    if (from.size() == 1) parts_of_[static_cast<size_t>(from.front())].push_back(o);
  }
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
  const std::vector<uint64_t> told = known;
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
    if (origins_[o].from.size() == 1) raise(o, known_elsewhere(o, known, told));
  }
  return known;
}

// What is known of the one that `part` comes from, less what other parts of it have that cannot lie
// in this one: so much of this one may be known. 0 of what shares no tensor with others.
uint64_t Knowledge::known_elsewhere(size_t part, const std::vector<uint64_t>& known,
                                    const std::vector<uint64_t>& told) const {
  const auto whole = static_cast<size_t>(origins_[part].from.front());
  const std::vector<size_t>& parts = parts_of_[whole];
  uint64_t elsewhere = known[whole] - std::min(known[whole], told[part]);
  if (parts.size() > kMostParts) return elsewhere;
  for (const size_t other : parts) {
    if (other != part && are_apart(origins_[part].box, origins_[other].box)) {
      elsewhere -= std::min(elsewhere, told[other]);
    }
  }
  return elsewhere;
}

}  // namespace taoism::partition
