#include "partition/asking.h"

#include <algorithm>

#include "partition/asking_ways.h"
#include "partition/facts.h"
#include "partition/segments.h"
#include "partition/split_layer.h"

namespace taoism::partition {
namespace {

using ir::NodeId;
using ir::Placement;
using ir::ValueId;
using ops::Form;

// What the host can make of a value that the TEE computes.
enum class Kind : uint8_t {
  known,   // it has the value
  fixed,   // not known, and the same whatever is asked: a private weight
  affine,  // affine in known values, with coefficients that are not known
  shown,   // each element a function of one element of such a value
  ranks,   // the order of elements of such a value
  hidden,  // anything else
};

struct State {
  Kind kind = Kind::known;
  uint64_t terms = 1;  // known elements that one element depends on, at most
  // The host moves each element by itself: it is the sum of that and something. So an activation
  // does not hide it: the host sees to it that the others are at rest.
  bool is_free = false;
  bool activated = false;  // behind an activation
};

constexpr uint64_t kMostTerms = uint64_t{1} << 32;

uint64_t product(uint64_t a, uint64_t b) {
  return a != 0 && b > kMostTerms / a ? kMostTerms : std::min(a * b, kMostTerms);
}

class Asker {
 public:
  Asker(const ir::PartitionedGraph& partitioned, const Ends& ends)
      : partitioned_(partitioned), ends_(ends) {}

  Asking run() {
    states_.resize(graph_.value_count());
    count_readers();
    for (size_t v = 0; v < states_.size(); ++v) {
      const ir::Value& value = graph_.value(static_cast<ValueId>(v));
      if (is_secret(static_cast<ValueId>(v)) && !ends_.known[v]) {
        states_[v] = {.kind = Kind::fixed, .terms = 0};
      } else if (!value.is_constant()) {
        states_[v].kind = ends_.known[v] ? Kind::known : Kind::hidden;
        states_[v].is_free = ends_.known[v] && has_one_reader(static_cast<ValueId>(v));
      }
    }
    find_shown();
    is_hidden_end_.assign(graph_.value_count(), false);
    asked_.resize(segments_.count);
    for (size_t s = 0; s < asked_.size(); ++s) asked_[s].segment = s;
    taken_.assign(graph_.value_count(), false);
    for (size_t n = 0; n < graph_.node_count(); ++n) {
      const auto id = static_cast<NodeId>(n);
      if (graph_.node(id).placement == Placement::tee) visit(id);
    }
    find_depth();
    AloneOnAWay alone = weights_alone_on_a_way(partitioned_, ends_);
    result_.telling = std::move(alone.telling);
    for (const ValueId weight : alone.if_at_rest) {
      if (!taken_[idx(weight)]) result_.if_at_rest.push_back(weight);
    }
    for (size_t s = 0; s < asked_.size(); ++s) {
      AskedSegment way{.segment = s};
      for (const ValueId weight : alone.weights[s]) {
        if (!taken_[idx(weight)]) way.weights.push_back(weight);
      }
      if (asked_[s].queries != 0) result_.segments.push_back(std::move(asked_[s]));
      if (!way.weights.empty()) result_.segments.push_back(std::move(way));
    }
    return std::move(result_);
  }

 private:
  // A private weight, statistics included. Of integers and truth values those alone that are moved,
  // added and multiplied: of others is assumed that the host knows them, which hides less.
  bool is_secret(ValueId id) const {
    const ir::Value& value = graph_.value(id);
    return value.is_constant() && value.is_private &&
           (value.desc.dtype == ir::DType::f32 || is_integer_weight_[idx(id)]);
  }
  // Where integers are as good as floats: what is computed with them wraps, and is exact.
  static bool wraps(Form form) {
    return form == Form::moves || form == Form::affine || form == Form::affine_in_each;
  }
  static bool is_real(ir::DType dtype) {
    return dtype == ir::DType::f32 || dtype == ir::DType::f16 || dtype == ir::DType::bf16;
  }
  static const ops::OpDef* op_of(const ir::Node& node) { return ops::find_op(node.op); }

  // How often the TEE's nodes read each value, and which of them as parameters.
  void count_readers() {
    readers_.assign(graph_.value_count(), 0);
    is_integer_weight_.assign(graph_.value_count(), false);
    for (const ir::Node& node : graph_.nodes()) {
      if (node.placement != Placement::tee) continue;
      for (const ValueId input : node.inputs) {
        if (input != ir::kNoValue) ++readers_[idx(input)];
      }
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        if (!is_parameter(graph_, node, i)) continue;
        const bool is_exact = wraps(form_of(node));
        const bool is_first = readers_[idx(node.inputs[i])] == 1;
        is_integer_weight_[idx(node.inputs[i])] =
            is_exact && (is_first || is_integer_weight_[idx(node.inputs[i])]);
      }
    }
  }
  bool has_one_reader(ValueId value) const { return readers_[idx(value)] == 1; }

  // Backwards: values that leave the TEE whole, moved at most, and those of which an activation
  // does. (Where a part of a value leaves, it is taken for the whole.)
  void find_shown() {
    whole_ = ends_.seen;
    told_ = ends_.seen;
    for (size_t n = graph_.node_count(); n-- > 0;) {
      const ir::Node& node = graph_.node(static_cast<NodeId>(n));
      const ops::OpDef* op = op_of(node);
      if (node.placement != Placement::tee || op == nullptr) continue;
      if (op->form != Form::moves && op->form != Form::reveals) continue;
      for (const ValueId output : node.outputs) {
        if (output == ir::kNoValue) continue;
        for (const ValueId input : node.inputs) {
          if (input == ir::kNoValue) continue;
          if (op->form == Form::moves && whole_[idx(output)]) whole_[idx(input)] = true;
          if (told_[idx(output)]) told_[idx(input)] = true;
        }
      }
    }
  }

  void visit(NodeId id) {
    const ir::Node& node = graph_.node(id);
    const State state = state_of(node);
    if (steps(node)) result_.stepping.push_back(id);
    for (const ValueId output : node.outputs) {
      if (output == ir::kNoValue) continue;
      states_[idx(output)] = state;
      if (state.kind != Kind::hidden && state.kind != Kind::ranks && told_[idx(output)]) {
        take(id, output, state);
      }
      if (!whole_[idx(output)]) continue;
      if (state.kind == Kind::ranks) result_.shows_ranks = true;
      is_hidden_end_[idx(output)] = state.kind == Kind::hidden;
      // Whatever it is: from here on the host has it.
      states_[idx(output)] = {};
    }
  }

  bool steps(const ir::Node& node) const {
    const ops::OpDef* op = op_of(node);
    const ValueId output = node.outputs.front();
    if (op == nullptr || output == ir::kNoValue || whole_[idx(output)]) return false;
    const bool is_number = is_real(graph_.value(output).desc.dtype);
    return std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId input) {
      if (input == ir::kNoValue) return false;
      const Kind kind = states_[idx(input)].kind;
      const bool follows = kind == Kind::affine || kind == Kind::shown;
      return follows && is_real(graph_.value(input).desc.dtype) && (op->jumps || !is_number);
    });
  }

  // How many private layers follow each other from known values to those that are seen and hidden.
  void find_depth() {
    constexpr int kNowhere = -1;  // no such value is reached
    std::vector<int> onward(graph_.value_count(), kNowhere);
    for (size_t n = graph_.node_count(); n-- > 0;) {
      const ir::Node& node = graph_.node(static_cast<NodeId>(n));
      if (node.placement != Placement::tee) continue;
      int reached = kNowhere;
      for (const ValueId output : node.outputs) {
        if (output == ir::kNoValue) continue;
        const int from_here = whole_[idx(output)] ? kNowhere : onward[idx(output)];
        reached = std::max({reached, from_here, is_hidden_end_[idx(output)] ? 0 : kNowhere});
      }
      if (reached == kNowhere) continue;
      if (is_private_layer(node)) ++reached;
      for (const ValueId input : node.inputs) {
        if (input != ir::kNoValue) onward[idx(input)] = std::max(onward[idx(input)], reached);
      }
    }
    for (size_t v = 0; v < onward.size(); ++v) {
      const bool is_known = ends_.known[v] || whole_[v];
      if (!is_known || graph_.value(static_cast<ValueId>(v)).is_constant() || onward[v] < 1)
        continue;
      const int least = result_.least_depth;
      result_.least_depth = least == 0 ? onward[v] : std::min(least, onward[v]);
    }
  }
  // One that mixes elements, by weights that the host has not.
  bool is_private_layer(const ir::Node& node) const {
    const ops::Role role = role_of(node);
    if (role != ops::Role::linear && role != ops::Role::protocol) return false;
    constexpr size_t kWeights = 1;
    if (role == ops::Role::protocol || !is_parameter(graph_, node, kWeights)) return true;
    return states_[idx(node.inputs[kWeights])].kind == Kind::fixed;
  }

  State state_of(const ir::Node& node) const {
    const Form form = form_of(node);
    std::vector<size_t> moving;  // operands that depend on what is asked and are not known
    bool has_fixed = false;
    bool has_known = false;
    State state{.kind = Kind::affine, .terms = 0};
    bool is_hidden = false;
    bool is_ranked = false;
    bool all_free = true;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == ir::kNoValue) continue;
      const State& operand = states_[idx(node.inputs[i])];
      const bool is_float = is_real(graph_.value(node.inputs[i]).desc.dtype);
      const bool is_constant = graph_.value(node.inputs[i]).is_constant();
      state.activated = state.activated || operand.activated;
      if (!is_constant) {
        all_free = all_free && operand.is_free;
        if (operand.is_free && is_elementwise(node, i)) state.is_free = true;
      }
      is_ranked = is_ranked || operand.kind == Kind::ranks;
      // What is computed with integers is not affine, but for what wraps.
      is_hidden = is_hidden || operand.kind == Kind::hidden ||
                  (operand.kind == Kind::ranks && form != Form::moves) ||
                  (!is_float && operand.kind != Kind::known && !wraps(form));
      if (operand.kind == Kind::fixed) has_fixed = true;
      if (operand.kind == Kind::known && !is_constant) has_known = true;
      if (operand.kind == Kind::affine || operand.kind == Kind::shown) moving.push_back(i);
      if (operand.kind == Kind::affine || operand.kind == Kind::shown ||
          (operand.kind == Kind::known && (is_float || form != Form::moves) && !is_constant)) {
        const uint64_t terms = product(operand.terms, followed(node, i));
        state.terms = form == Form::moves ? std::max(state.terms, terms)
                                          : std::min(state.terms + terms, kMostTerms);
      }
    }
    if (form == Form::moves) state.is_free = all_free && (has_known || !moving.empty());
    // A rewrite's attributes are secrets too.
    const bool is_rewritten = role_of(node) == ops::Role::protocol;
    if (!is_hidden && !is_ranked && moving.empty() && !has_fixed && !is_rewritten) {
      return {.is_free = state.is_free};
    }
    if (!is_hidden && !is_ranked && moving.empty() && !has_known) {
      return {.kind = Kind::fixed, .terms = 0};
    }
    state.kind = is_hidden                     ? Kind::hidden
                 : is_ranked && moving.empty() ? Kind::ranks
                                               : kind_of(node, form, moving);
    if (form == Form::moves && has_fixed) state.terms = std::max(state.terms, rows_looked_up(node));
    if (state.kind == Kind::affine && node.attrs.has("activation")) state.kind = Kind::shown;
    state.activated = state.activated || state.kind == Kind::shown;
    return state;
  }

  // Of a node whose operands at `moving` are affine or shown, and all others known or fixed.
  Kind kind_of(const ir::Node& node, Form form, const std::vector<size_t>& moving) const {
    bool any_shown = false;
    bool any_held = false;  // shown, and not to be moved by itself
    for (const size_t i : moving) {
      const State& operand = states_[idx(node.inputs[i])];
      any_shown = any_shown || operand.kind == Kind::shown;
      any_held = any_held || (operand.kind == Kind::shown && !operand.is_free);
    }
    const Kind moved = any_shown ? Kind::shown : Kind::affine;
    // Of several unknown values an element no longer follows one.
    const bool alone = moving.size() == 1 && is_elementwise(node, moving.front());
    const Kind mixed = alone ? moved : any_held ? Kind::hidden : Kind::affine;
    switch (form) {
      case Form::moves: return moved;
      case Form::affine: return mixed;
      case Form::affine_in_each: return moving.size() <= 1 ? mixed : Kind::hidden;
      case Form::affine_in_first:
        return moving.empty() || (moving.size() == 1 && moving[0] == 0) ? mixed : Kind::hidden;
      case Form::affine_in_rest:
        return std::find(moving.begin(), moving.end(), 0U) == moving.end() ? mixed : Kind::hidden;
      case Form::reveals: return Kind::shown;
      case Form::ranks: return Kind::ranks;
      case Form::opaque: return Kind::hidden;
    }
    return Kind::hidden;
  }

  // Whether each output element follows one element of input `i`.
  static bool is_elementwise(const ir::Node& node, size_t i) {
    const ops::OpDef* op = op_of(node);
    return op->storage != ops::Storage::fresh && (i == 0 || op->role == ops::Role::combine);
  }

  // Elements of operand `i` that an output element follows, at most.
  uint64_t followed(const ir::Node& node, size_t i) const {
    const ops::OpDef* op = op_of(node);
    if (op == nullptr || op->form == Form::moves || is_elementwise(node, i)) return 1;
    const ir::Shape& shape = graph_.value(node.inputs[i]).desc.shape;
    if (i == 0 && is_splittable(graph_, node)) {
      const auto& weights = graph_.value(node.inputs[1]).desc.shape;
      const bool rows_first = node.op == "Conv" || node.attrs.i("trans_w", 1) != 0;
      const size_t out = rows_first ? 0 : weights.rank() - 1;
      return static_cast<uint64_t>(weights.elements() / std::max<int64_t>(weights[out], 1));
    }
    uint64_t window = 1;
    for (const int64_t side : node.attrs.ints("kernel_shape")) {
      window = product(window, static_cast<uint64_t>(std::max<int64_t>(side, 1)));
    }
    const bool mixes_channels = op->role == ops::Role::linear || op->role == ops::Role::protocol;
    if (node.attrs.has("kernel_shape") && shape.rank() >= 2) {
      return mixes_channels ? product(window, static_cast<uint64_t>(shape[1])) : window;
    }
    if (shape.rank() == 0) return 1;
    if (op->role == ops::Role::combine || mixes_channels) {
      return static_cast<uint64_t>(shape[shape.rank() - 1]);
    }
    return static_cast<uint64_t>(shape.product(shape.rank() > 1 ? 1 : 0, shape.rank()));
  }

  // Of a table that known numbers look up in.
  uint64_t rows_looked_up(const ir::Node& node) const {
    const ir::Shape& table = graph_.value(node.inputs[0]).desc.shape;
    return table.rank() == 0 ? 1 : static_cast<uint64_t>(table[0]);
  }

  // Counts the weights behind `value`, which node `maker` makes, up to what is known.
  void take(NodeId maker, ValueId value, const State& state) {
    if (state.kind == Kind::known) return;
    AskedSegment& asked = asked_[segments_.of_node[idx(maker)]];
    // One more for what is added; and each of both signs where an activation may hide one.
    asked.queries = std::max(asked.queries, (state.terms + 1) * (state.activated ? 2 : 1));
    asked.activated = asked.activated || state.activated;
    std::vector<ValueId> open{value};
    while (!open.empty()) {
      const NodeId id = graph_.value(open.back()).producer;
      open.pop_back();
      const ir::Node& node = graph_.node(id);
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        const ValueId input = node.inputs[i];
        if (input == ir::kNoValue || taken_[idx(input)]) continue;
        if (states_[idx(input)].kind == Kind::known) continue;
        taken_[idx(input)] = true;
        if (!graph_.value(input).is_constant()) {
          open.push_back(input);
        } else if (is_parameter(graph_, node, i)) {
          asked.weights.push_back(input);
        }
      }
    }
  }

  const ir::PartitionedGraph& partitioned_;
  const ir::Graph& graph_ = partitioned_.graph;
  const TeeSegments segments_ = tee_segments(partitioned_);
  const Ends& ends_;
  std::vector<State> states_;            // by value
  std::vector<uint32_t> readers_;        // by value: count_readers()
  std::vector<bool> is_integer_weight_;  // by value: count_readers()
  std::vector<bool> whole_, told_;       // by value: find_shown()
  std::vector<bool> taken_;              // by value: take() was there
  std::vector<bool> is_hidden_end_;      // by value: seen whole, and not what the host made of it
  std::vector<AskedSegment> asked_;
  Asking result_;
};

}  // namespace

Ends ends_in_clear(const ir::PartitionedGraph& partitioned) {
  const ir::Graph& graph = partitioned.graph;
  Ends ends;
  ends.known.assign(graph.value_count(), false);
  ends.seen.assign(graph.value_count(), false);
  for (const ValueId input : graph.inputs()) ends.known[idx(input)] = true;
  for (const ir::Node& node : graph.nodes()) {
    if (node.placement != Placement::device) continue;
    // What it computes, and what it computes with.
    for (const auto& values : {node.inputs, node.outputs}) {
      for (const ValueId value : values) {
        if (value != ir::kNoValue) ends.known[idx(value)] = true;
      }
    }
  }
  for (const ir::Segment& segment : partitioned.segments) {
    if (segment.placement != Placement::tee) continue;
    for (const ValueId output : segment.outputs) {
      ends.seen[idx(output)] = true;
      ends.known[idx(output)] = false;  // until it is made
    }
  }
  return ends;
}

Asking what_asking_gives(const ir::PartitionedGraph& partitioned, const Ends& ends) {
  return Asker(partitioned, ends).run();
}

}  // namespace taoism::partition
