#include "partition/exposure.h"

#include <algorithm>

#include "ir/telling.h"
#include "partition/asking.h"
#include "partition/facts.h"
#include "partition/knowledge.h"

namespace taoism::partition {
namespace {

using ir::NodeId;
using ir::Placement;
using ir::ValueId;

class Exposure {
 public:
  Exposure(const ir::Graph& source, const ir::PartitionedGraph& partitioned, const KeptParts& kept,
           Report& report)
      : source_(source),
        partitioned_(partitioned),
        graph_(partitioned.graph),
        kept_(kept),
        report_(report),
        knowledge_(graph_),
        listed_(knowledge_.origin_count()),
        is_listed_(knowledge_.origin_count()) {}

  void run() {
    count_private();
    find_scaled();
    list_held();
    list_following(report_.exposed_weights, "follows from what the device has");
    list_followed();
    list_asked();
    for (const ExposedWeight& weight : report_.exposed_weights) {
      report_.private_params_exposed += weight.params;
    }
    for (const ExposedWeight& weight : report_.asked_weights) {
      report_.private_params_asked += weight.params;
    }
    report_.private_params_exposed += report_.private_params_asked;
    warn();
  }

 private:
  void count_private() {
    const Knowledge parameters(source_);
    std::vector<bool> seen(parameters.origin_count());
    for_each_parameter(source_, [&](NodeId, size_t, ValueId id) {
      const size_t origin = parameters.origin_of(id);
      if (!seen[origin]) report_.private_params_total += elems(source_, id);
      seen[origin] = true;
    });
  }

  // Calls `look` with the node, the number of its input and the private parameter there.
  template <typename Look>
  static void for_each_parameter(const ir::Graph& graph, Look look) {
    for (size_t n = 0; n < graph.node_count(); ++n) {
      const ir::Node& node = graph.nodes()[n];
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        if (!is_parameter(graph, node, i) || !graph.value(node.inputs[i]).is_private) continue;
        look(static_cast<NodeId>(n), i, node.inputs[i]);
      }
    }
  }

  // Values on which a taoism.Restore undoes a scale.
  void find_scaled() {
    is_scaled_.resize(graph_.value_count());
    for (const ir::Node& node : graph_.nodes()) {
      if (node.op != "taoism.Restore" || node.attrs.f("scale", 1.0F) == 1.0F) continue;
      is_scaled_[idx(node.inputs[0])] = true;
    }
  }

  // How the device's copy of a weight differs from the weight, or "".
  std::string note_of(NodeId id, uint64_t kept, uint64_t total) const {
    if (kept > 0) {
      return "remainder: " + std::to_string(kept) + " of " + std::to_string(total) +
             " values stay in the TEE";
    }
    return is_scaled_[idx(graph_.node(id).outputs[0])] ? "scaled by one secret factor" : "";
  }

  // Lists what was not listed of the parameter, up to `known` elements in all; returns how many.
  uint64_t list(std::vector<ExposedWeight>& weights, NodeId reader, ValueId id, uint64_t known,
                std::string note) {
    const size_t origin = knowledge_.origin_of(id);
    const uint64_t params = known - std::min(known, listed_[origin]);
    if (params == 0 && is_listed_[origin]) return 0;
    is_listed_[origin] = true;
    listed_[origin] += params;
    const ir::Node& node = graph_.node(reader);
    const uint64_t total = report_.private_params_total;
    weights.push_back({graph_.value(id).name, node.origin.empty() ? node.name : node.origin, params,
                       total == 0 ? 0 : static_cast<double>(params) / static_cast<double>(total),
                       std::move(note)});
    return params;
  }

  void list_held() {
    for (size_t n = 0; n < graph_.node_count(); ++n) {
      const auto id = static_cast<NodeId>(n);
      const ir::Node& node = graph_.node(id);
      if (node.placement != Placement::device) continue;
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        const ValueId input = node.inputs[i];
        if (input == ir::kNoValue || !graph_.value(input).is_constant()) continue;
        const uint64_t total = elems(graph_, input);
        const uint64_t kept = i == 1 ? std::min(total, kept_of(kept_, id)) : 0;
        knowledge_.add(input, total - kept);
        if (!graph_.value(input).is_private || !is_parameter(graph_, node, i)) continue;
        list(report_.exposed_weights, id, input, total - kept, note_of(id, kept, total));
      }
    }
    known_ = knowledge_.known();
  }

  // Parameters in the TEE of which more is known than was listed.
  void list_following(std::vector<ExposedWeight>& weights, const char* note) {
    for_each_parameter(graph_, [&](NodeId reader, size_t, ValueId id) {
      const size_t origin = knowledge_.origin_of(id);
      if (graph_.node(reader).placement != Placement::tee || known_[origin] <= listed_[origin]) {
        return;
      }
      list(weights, reader, id, known_[origin], note);
    });
  }

  // Weights of layers and tables that the plan keeps in the TEE and that the host has all the same.
  void list_followed() {
    std::vector<bool> seen(knowledge_.origin_count());
    for_each_parameter(graph_, [&](NodeId reader, size_t, ValueId id) {
      const size_t origin = knowledge_.origin_of(id);
      const ir::Node& node = graph_.node(reader);
      const bool is_rewritten = idx(id) >= source_.value_count();
      // A mask or a factor that many nodes share is no layer, and says nothing of one.
      const ops::Role role = role_of(node);
      if (role != ops::Role::linear && role != ops::Role::layout) return;
      if (node.placement != Placement::tee || is_rewritten || seen[origin]) return;
      seen[origin] = true;
      if (known_[origin] == 0 || !ir::is_telling(*graph_.value(id).constant)) return;
      report_.followed_weights.push_back(
          {graph_.value(id).name, node.origin.empty() ? node.name : node.origin, known_[origin],
           static_cast<double>(known_[origin]) /
               static_cast<double>(std::max<uint64_t>(report_.private_params_total, 1)),
           ""});
    });
  }

  // What is had so is known from then on, and something else may follow from it.
  void list_asked() {
    std::vector<NodeId> telling;
    for (int round = 0; round < kMostRounds; ++round) {
      asking_ = what_asking_gives(partitioned_, ends());
      if (round == 0) telling = std::move(asking_.telling);
      if (!list_round(round == 0)) break;
      looked_at_all_ = round + 1 < kMostRounds;
    }
    asking_.telling = std::move(telling);
  }

  Ends ends() const {
    Ends ends = ends_in_clear(partitioned_);
    for (size_t v = 0; v < graph_.value_count(); ++v) {
      const auto id = static_cast<ValueId>(v);
      if (!graph_.value(id).is_constant()) continue;
      const size_t origin = knowledge_.origin_of(id);
      if (known_[origin] == knowledge_.elems(origin)) ends.known[v] = true;
    }
    return ends;
  }

  // Whether anything was new. `is_first`: what shows no weights is named too.
  bool list_round(bool is_first) {
    const std::vector<std::vector<NodeId>> readers = graph_.consumers();
    bool is_new = false;
    for (const AskedSegment& segment : asking_.segments) {
      AskedPart part{segment.segment + 1, 0, segment.queries, segment.activated};
      const std::string note =
          "TEE segment " + std::to_string(part.segment) + ": " + asked_text(part);
      for (const ValueId id : segment.weights) {
        const size_t origin = knowledge_.origin_of(id);
        const uint64_t known =
            std::min(knowledge_.elems(origin), listed_[origin] + elems(graph_, id));
        is_new = is_new || known > known_[origin];
        part.params += list(report_.asked_weights, readers[idx(id)].front(), id, known, note);
        knowledge_.add(id, known);
      }
      if (part.params != 0 || (is_first && segment.weights.empty())) report_.asked.push_back(part);
    }
    if (!is_new) return false;
    known_ = knowledge_.known();
    list_following(report_.asked_weights, "follows from what can be had by asking");
    return true;
  }

  uint64_t count_if_at_rest() const {
    uint64_t params = 0;
    for (const ValueId id : asking_.if_at_rest) {
      const size_t origin = knowledge_.origin_of(id);
      params += elems(graph_, id) - std::min(elems(graph_, id), listed_[origin]);
    }
    return params;
  }

  void warn() {
    if (!report_.followed_weights.empty()) {
      uint64_t params = 0;
      for (const ExposedWeight& weight : report_.followed_weights) params += weight.params;
      report_.warnings.push_back(std::to_string(params) +
                                 " private weights in the TEE follow from what the device has ('" +
                                 report_.followed_weights.front().name + "'" +
                                 (report_.followed_weights.size() > 1 ? " and others" : "") + ")");
    }
    uint64_t solved = 0, alone = 0, segments = 0, most = 0;
    for (const AskedPart& part : report_.asked) {
      (part.queries != 0 ? solved : alone) += part.params;
      segments += part.queries != 0 ? 1 : 0;
      most = std::max(most, part.queries);
    }
    if (segments != 0) {
      report_.warnings.push_back(
          std::to_string(solved) +
          " private weights in the TEE can be had by asking: " + std::to_string(segments) +
          " of its segments are affine, but for activations, between clear ends; " +
          std::to_string(most) + " queries at most give each");
    }
    if (alone != 0) {
      report_.warnings.push_back(
          std::to_string(alone) +
          " private weights in the TEE count as exposed: they are alone on a way between values "
          "that the host knows and sees, and whatever else is computed can be held");
    }
    constexpr int kExtracted = 3;
    if (asking_.least_depth != 0 && asking_.least_depth <= kExtracted) {
      report_.warnings.push_back(
          "what the TEE shows is " + std::to_string(asking_.least_depth) +
          (asking_.least_depth == 1 ? " private layer" : " private layers") +
          " deep: networks this shallow have been extracted by queries (Jagielski "
          "et al., USENIX Security 2020; Carlini et al., CRYPTO 2020); it is not counted as "
          "exposed");
    }
    if (const uint64_t params = count_if_at_rest(); params != 0) {
      report_.warnings.push_back(
          std::to_string(params) +
          " private weights are joined by nothing but branches of the same input, which some "
          "inputs may bring to rest (a normalization or a gate under large values) so that queries "
          "give them; they are not counted as exposed");
    }
    if (!asking_.stepping.empty()) {
      report_.warnings.push_back(named(asking_.stepping) +
                                 " in the TEE jumps where what one private layer makes passes a "
                                 "value: queries find where, through whatever follows, and so that "
                                 "layer up to factors; it is not counted as exposed");
    }
    if (!looked_at_all_) {
      report_.warnings.emplace_back(
          "what follows from what can be had by asking goes on further than was looked: more than "
          "is counted is exposed");
    }
    if (!asking_.telling.empty()) {
      report_.warnings.push_back(
          named(asking_.telling) +
          " in the TEE fails or not by indices or divisors that private weights decide: each "
          "answer tells one bit of them, with --answer label too; it is not counted as exposed");
    }
    if (asking_.shows_ranks) {
      report_.warnings.emplace_back(
          "labels of an affine classifier are seen: they give its boundaries by bisection (Lowd "
          "and Meek, KDD 2005; Tramer et al., USENIX Security 2016), its weights up to a factor "
          "and a shift; it is not counted as exposed");
    }
  }

  // "node 'a' and 2 more".
  std::string named(const std::vector<NodeId>& nodes) const {
    const std::string more =
        nodes.size() > 1 ? " and " + std::to_string(nodes.size() - 1) + " more" : std::string();
    return "node '" + graph_.node(nodes.front()).name + "'" + more;
  }

  // Layers that follow from each other one by one; no real model has so many.
  static constexpr int kMostRounds = 64;

  const ir::Graph& source_;
  const ir::PartitionedGraph& partitioned_;
  const ir::Graph& graph_;
  const KeptParts& kept_;
  Report& report_;
  Knowledge knowledge_;
  std::vector<uint64_t> listed_;  // by origin: elements
  std::vector<bool> is_listed_;   // by origin
  std::vector<uint64_t> known_;   // by origin
  std::vector<bool> is_scaled_;   // by value
  Asking asking_;
  bool looked_at_all_ = true;
};

}  // namespace

void account_exposure(const ir::Graph& source, const ir::PartitionedGraph& partitioned,
                      const KeptParts& kept, Report& report) {
  Exposure(source, partitioned, kept, report).run();
}

}  // namespace taoism::partition
