#include "partition/asking_ways.h"

#include <algorithm>

#include "partition/facts.h"
#include "partition/segments.h"

namespace taoism::partition {
namespace {

using ir::NodeId;
using ir::Placement;
using ir::ValueId;
using ops::Form;

// A set of things that the host moves: inputs, crossing values, parts of them. All that are more
// than 63 share one member, which nothing holds.
using Sources = uint64_t;
constexpr Sources kMany = Sources{1} << 63;

// The ways that lead to a value, by how far they are: each as what moves on it while all else in
// the value is at rest.
struct Ways {
  Sources clear = 0;      // has met no private weight
  Sources affine = 0;     // has met private layers, and nothing between them but affine operators
  Sources activated = 0;  // and an activation behind them
  Sources all = 0;        // whatever the value depends on
  Sources hidden = 0;     // what has to be held for the rest of the value to be at rest
  Sources gate = 0;       // or this, where that rest can be switched off

  Sources any() const { return clear | affine | activated; }
  Sources private_ones() const { return affine | activated; }
};

class WayFinder {
 public:
  WayFinder(const ir::PartitionedGraph& partitioned, const Ends& ends)
      : graph_(partitioned.graph), segments_(tee_segments(partitioned)), ends_(ends) {}

  AloneOnAWay run() {
    find_fixed();
    find_clear();
    found_.weights.resize(segments_.count);
    is_found_.assign(graph_.value_count(), false);
    walk(false);
    walk(true);
    return std::move(found_);
  }

 private:
  struct Operand {
    size_t index;
    ValueId value;
  };

  // All ways, from the beginning on; `all_rests`: whatever joins one is at rest.
  void walk(bool all_rests) {
    all_rests_ = all_rests;
    source_count_ = 0;
    ways_.assign(graph_.value_count(), {});
    taken_.assign(graph_.value_count(), false);
    for (const ir::Node& node : graph_.nodes()) {
      if (node.placement != Placement::tee) continue;
      for (const Operand& operand : moving(node)) {
        const size_t v = idx(operand.value);
        if (ends_.known[v] && ways_[v].all == 0) begin_at(v);
      }
    }
    for (size_t n = 0; n < graph_.node_count(); ++n) {
      const auto id = static_cast<NodeId>(n);
      if (graph_.node(id).placement == Placement::tee) visit(id);
    }
  }

  bool is_secret(const ir::Node& node, size_t i) const {
    const ValueId id = node.inputs[i];
    if (id == ir::kNoValue) return false;
    if (!graph_.value(id).is_constant()) return fixed_[idx(id)];
    return graph_.value(id).is_private && !ends_.known[idx(id)] && is_parameter(graph_, node, i);
  }
  bool has_secrets(const ir::Node& node) const {
    if (role_of(node) == ops::Role::protocol) return true;  // its attributes
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (is_secret(node, i)) return true;
    }
    return false;
  }
  // What is computed at run time, from what is asked.
  std::vector<Operand> moving(const ir::Node& node) const {
    std::vector<Operand> operands;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      if (id == ir::kNoValue || graph_.value(id).is_constant() || fixed_[idx(id)]) continue;
      operands.push_back({i, id});
    }
    return operands;
  }
  // Whether secrets join elements of the others, so that a second such layer hides a first one.
  bool mixes(const ir::Node& node) const {
    const ops::Role role = role_of(node);
    if (role == ops::Role::linear || role == ops::Role::protocol) return true;
    // A table that is looked up in.
    return form_of(node) == Form::moves && node.inputs.size() > 1 && is_secret(node, 0) &&
           !moving(node).empty() && graph_.value(node.inputs[0]).desc.shape.rank() > 0;
  }

  // Values that are the same whatever is asked.
  void find_fixed() {
    fixed_.assign(graph_.value_count(), false);
    for (const ir::Node& node : graph_.nodes()) {
      if (node.placement != Placement::tee || !moving(node).empty() || !has_secrets(node)) continue;
      for (const ValueId output : node.outputs) {
        if (output != ir::kNoValue && !ends_.known[idx(output)]) fixed_[idx(output)] = true;
      }
    }
  }

  // Values that the host has: those that it knows or sees, what follows from them without secrets,
  // and what is undone so, but for private scales and shifts. (Where a part of a value can be had,
  // it is taken for the whole.)
  void find_clear() {
    clear_.assign(graph_.value_count(), false);
    undone_.assign(graph_.node_count(), false);
    scaled_.assign(graph_.value_count(), false);
    const std::vector<std::vector<NodeId>> readers = graph_.consumers();
    std::vector<ValueId> open;
    const auto add = [&](ValueId value) {
      if (value == ir::kNoValue || clear_[idx(value)] || fixed_[idx(value)]) return;
      clear_[idx(value)] = true;
      open.push_back(value);
    };
    const auto look = [&](NodeId id) {
      const ir::Node& node = graph_.node(id);
      if (node.placement != Placement::tee) return;
      const bool secret = has_secrets(node);
      ValueId unclear = ir::kNoValue;
      size_t count = 0;
      for (const Operand& operand : moving(node)) {
        if (clear_[idx(operand.value)] || operand.value == unclear) continue;
        unclear = operand.value;
        ++count;
      }
      if (count == 0 && !secret) {
        for (const ValueId output : node.outputs) add(output);
      }
      if (count != 1 || form_of(node) == Form::ranks || (secret && mixes(node))) return;
      for (const ValueId output : node.outputs) {
        if (output == ir::kNoValue || !clear_[idx(output)]) continue;
        undone_[idx(id)] = secret;
        scaled_[idx(unclear)] = secret || scaled_[idx(output)];
        return add(unclear);
      }
    };
    for (size_t v = 0; v < clear_.size(); ++v) {
      const bool constant = graph_.value(static_cast<ValueId>(v)).is_constant();
      if (!constant && (ends_.known[v] || ends_.seen[v])) add(static_cast<ValueId>(v));
    }
    while (!open.empty()) {
      const ValueId value = open.back();
      open.pop_back();
      if (const NodeId maker = graph_.value(value).producer; maker != ir::kNoNode) look(maker);
      for (const NodeId reader : readers[idx(value)]) look(reader);
    }
  }

  Sources new_source() {
    if (source_count_ >= 63) return kMany;
    return Sources{1} << source_count_++;
  }
  void begin_at(size_t value) {
    const Sources source = new_source();
    ways_[value] = {.clear = source, .all = source};
  }

  void visit(NodeId id) {
    const ir::Node& node = graph_.node(id);
    const Ways ways = through(id);
    if (!all_rests_ && tells(node)) found_.telling.push_back(id);
    for (const ValueId output : node.outputs) {
      if (output == ir::kNoValue || fixed_[idx(output)]) continue;
      ways_[idx(output)] = selected(node, output, ways);
      if (!clear_[idx(output)]) continue;
      if (ways.private_ones() != 0) take(id, output);
      const bool is_private = (ways.all & ~ways.clear) != 0 || ways.private_ones() != 0;
      const bool goes_on = scaled_[idx(output)] && ways.private_ones() != 0;
      if ((is_private && !goes_on) || ways.all == 0) begin_at(idx(output));
    }
  }

  bool tells(const ir::Node& node) const {
    const ops::OpDef* op = ops::find_op(node.op);
    if (op == nullptr || op->sure_fault == nullptr) return false;
    const std::vector<Operand> operands = moving(node);
    return std::any_of(operands.begin(), operands.end(), [&](const Operand& operand) {
      const Ways& ways = ways_[idx(operand.value)];
      return operand.index != 0 && graph_.value(operand.value).desc.dtype != ir::DType::f32 &&
             (ways.private_ones() | ways.hidden) != 0;
    });
  }

  Ways through(NodeId id) const {
    const ir::Node& node = graph_.node(id);
    const std::vector<Operand> operands = moving(node);
    Ways result = joined(node, operands);
    const bool secret = has_secrets(node);
    if (secret && mixes(node)) {
      result.hidden |= result.activated;
      result.activated = 0;
      result.affine |= result.clear;
      result.clear = 0;
      if (node.attrs.has("activation")) activate(result);
    } else {
      if (!is_affine(node, operands)) activate(result);
      if (secret && !undone_[idx(id)]) {
        result.affine |= result.clear;
        result.clear = 0;
      }
    }
    const Sources held = all_rests_ ? 0 : result.hidden & ~kMany;
    result.clear &= ~held;
    result.affine &= ~held;
    result.activated &= ~held;
    if (result.any() == 0) result.hidden = result.all;
    return result;
  }

  static void activate(Ways& ways) {
    ways.activated |= ways.affine;
    ways.affine = 0;
  }

  // The ways of all operands together, each going on while the others are at rest.
  Ways joined(const ir::Node& node, const std::vector<Operand>& operands) const {
    const bool is_product = form_of(node) == Form::affine_in_each;
    Ways result;
    bool all_gated = true;
    for (const Operand& operand : operands) {
      const Ways& ways = ways_[idx(operand.value)];
      Sources others = 0, switches = 0;
      for (const Operand& other : operands) {
        if (other.index == operand.index) continue;
        const Ways& joins = ways_[idx(other.value)];
        others |= joins.any();
        const bool is_switch = is_product || (node.op == "Where" && other.index == 0);
        if (is_switch && joins.clear != 0 && joins.private_ones() == 0) switches |= joins.all;
      }
      result.clear |= ways.clear;
      result.affine |= ways.affine;
      result.activated |= ways.activated;
      result.all |= ways.all;
      if (ways.hidden == 0) continue;
      const Sources gate = switches != 0 ? switches : ways.gate;
      const bool can_rest = ways.gate != 0 && (others & ~ways.gate) != 0;
      result.hidden |= can_rest ? ways.gate : ways.hidden;
      result.gate |= gate;
      all_gated = all_gated && gate != 0;
    }
    if (!all_gated) result.gate = 0;
    return result;
  }

  // In the operands that move, as far as ways need it.
  static bool is_affine(const ir::Node& node, const std::vector<Operand>& operands) {
    if (node.attrs.has("activation")) return false;
    const auto only = [&](bool first) {
      return std::all_of(operands.begin(), operands.end(),
                         [&](const Operand& operand) { return (operand.index == 0) == first; });
    };
    switch (form_of(node)) {
      case Form::moves:
      case Form::affine:
      case Form::affine_in_each: return true;
      case Form::affine_in_first: return only(true);
      case Form::affine_in_rest: return only(false);
      case Form::reveals:
      case Form::ranks:
      case Form::opaque: return false;
    }
    return false;
  }

  // A part of a value moves by itself; an order of elements shows no weights.
  Ways selected(const ir::Node& node, ValueId output, Ways ways) {
    if (form_of(node) == Form::ranks) return {.all = ways.all, .hidden = ways.all};
    const ValueId from = input_of(node, 0);
    if (form_of(node) != Form::moves || from == ir::kNoValue || ways.any() == 0) return ways;
    if (graph_.value(output).desc.shape.elements() >= graph_.value(from).desc.shape.elements()) {
      return ways;
    }
    const Sources part = new_source();
    for (Sources* way : {&ways.clear, &ways.affine, &ways.activated}) *way = *way != 0 ? part : 0;
    ways.all |= part;
    return ways;
  }

  // Counts the private weights on the ways to `value`, which node `maker` makes.
  void take(NodeId maker, ValueId value) {
    std::vector<ValueId>& found =
        all_rests_ ? found_.if_at_rest : found_.weights[segments_.of_node[idx(maker)]];
    std::vector<ValueId> open{value};
    while (!open.empty()) {
      const ValueId at = open.back();
      open.pop_back();
      const ir::Node& node = graph_.node(graph_.value(at).producer);
      const Sources moved = ways_[idx(at)].private_ones();
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        const ValueId input = node.inputs[i];
        if (input == ir::kNoValue || taken_[idx(input)]) continue;
        if (graph_.value(input).is_constant()) {
          if (!is_secret(node, i) || is_found_[idx(input)]) continue;
          is_found_[idx(input)] = true;
          found.push_back(input);
        } else if (fixed_[idx(input)] || is_on_the_way(node, input, moved)) {
          open.push_back(input);
        } else {
          continue;
        }
        taken_[idx(input)] = true;
      }
    }
  }
  bool is_on_the_way(const ir::Node& node, ValueId input, Sources moved) const {
    const Sources there = ways_[idx(input)].private_ones();
    const bool is_part = form_of(node) == Form::moves && (ways_[idx(input)].all & moved) == 0;
    return !clear_[idx(input)] && there != 0 && (is_part || (there & moved) != 0);
  }

  const ir::Graph& graph_;
  const TeeSegments segments_;
  const Ends& ends_;
  std::vector<bool> fixed_, clear_, taken_;  // by value
  std::vector<bool> scaled_;                 // by value: clear but for a private scale and shift
  std::vector<bool> undone_;                 // by node: is such a scale or shift
  std::vector<Ways> ways_;                   // by value
  std::vector<bool> is_found_;               // by value: of constants
  AloneOnAWay found_;
  int source_count_ = 0;
  bool all_rests_ = false;
};

}  // namespace

AloneOnAWay weights_alone_on_a_way(const ir::PartitionedGraph& partitioned, const Ends& ends) {
  return WayFinder(partitioned, ends).run();
}

}  // namespace taoism::partition
