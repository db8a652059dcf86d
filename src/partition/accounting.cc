#include "partition/accounting.h"

#include <algorithm>
#include <unordered_map>

#include "partition/asking.h"
#include "partition/facts.h"

namespace taoism::partition {
namespace {

using ir::Placement;

size_t idx(int32_t id) { return static_cast<size_t>(id); }
double share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}
uint64_t elems(const ir::Graph& graph, ir::ValueId id) {
  return static_cast<uint64_t>(graph.value(id).desc.shape.elements());
}

class Accountant {
 public:
  Accountant(const ir::Graph& source, const ir::PartitionedGraph& partitioned)
      : source_(source),
        partitioned_(partitioned),
        graph_(partitioned.graph),
        segments_(partitioned.segments) {}

  Result<Report> run() {
    report_.model = source_.name;
    for (const ir::Graph* graph : {&source_, &graph_}) {
      for (const ir::Node& node : graph->nodes()) {
        if (ops::find_op(node.op) == nullptr) {
          return internal_error("node '" + node.name + "': no operator is called '" + node.op +
                                "'");
        }
      }
    }
    find_kept_parts();
    count_source();
    list_nodes();
    count_crossings();
    list_exposed_weights();
    list_asked_weights();
    list_exposed_activations();
    return std::move(report_);
  }

 private:
  // Of a device node whose result a sparse residual completes: how many of its weights are zeroes
  // because the TEE keeps the values.
  void find_kept_parts() {
    for (const ir::Node& node : graph_.nodes()) {
      if (node.op != "taoism.SparseResidual") continue;
      const ir::NodeId remainder = graph_.value(node.inputs[0]).producer;
      if (remainder != ir::kNoNode) kept_[remainder] = elems(graph_, node.inputs[2]);
    }
  }
  uint64_t kept_of(ir::NodeId id) const {
    const auto it = kept_.find(id);
    return it == kept_.end() ? 0 : it->second;
  }

  void count_source() {
    std::vector<bool> seen(source_.value_count(), false);
    for (const ir::Node& node : source_.nodes()) {
      const ops::Cost cost = cost_of(source_, node);
      report_.macs_total += cost.macs;
      report_.params_total += cost.params;
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        if (!is_parameter(source_, node, i) || seen[idx(node.inputs[i])]) continue;
        seen[idx(node.inputs[i])] = true;
        if (source_.value(node.inputs[i]).is_private) {
          report_.private_params_total += elems(source_, node.inputs[i]);
        }
      }
    }
  }

  uint64_t params_of(ir::NodeId id) const {
    const ir::Node& node = graph_.node(id);
    if (node.origin.empty()) return cost_of(graph_, node).params;
    uint64_t params = 0;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (is_parameter(graph_, node, i)) params += elems(graph_, node.inputs[i]);
    }
    return params - std::min(params, kept_of(id));
  }

  // Whether this normalises what the model's first layer gives.
  bool is_stem_norm(const ir::Node& node) const {
    if (node.op != "BatchNormalization") return false;
    const auto first = std::find_if(source_.nodes().begin(), source_.nodes().end(),
                                    [&](const ir::Node& n) { return is_layer(source_, n); });
    return first != source_.nodes().end() && node.inputs[0] == first->outputs[0];
  }

  void list_nodes() {
    for (size_t n = 0; n < graph_.node_count(); ++n) {
      const auto id = static_cast<ir::NodeId>(n);
      const ir::Node& node = graph_.node(id);
      ReportNode row;
      row.name = node.name;
      row.origin = node.origin;
      row.op = node.op;
      row.placement = node.placement;
      row.why = node.why;
      row.macs = cost_of(graph_, node).macs;
      row.params = params_of(id);
      if (node.placement == Placement::tee) {
        report_.macs_tee += row.macs;
        report_.params_tee += row.params;
        if (!is_stem_norm(node)) report_.params_tee_published += row.params;
      }
      report_.nodes.push_back(std::move(row));
    }
  }

  ReportNode& first_reader(const ir::Segment& segment, ir::ValueId value) {
    for (ir::NodeId id : segment.nodes) {
      const auto& inputs = graph_.node(id).inputs;
      if (std::find(inputs.begin(), inputs.end(), value) != inputs.end())
        return report_.nodes[idx(id)];
    }
    TAOISM_CHECK(!"an input of a segment that none of its nodes reads");
    return report_.nodes.front();
  }

  // What passes the TEE's boundary: all that its segments list. A device segment's input crosses
  // when the TEE made it; its output, when the TEE reads it: then a TEE segment lists it as well.
  void count_crossings() {
    std::vector<bool> made_in_tee(graph_.value_count(), false);
    std::vector<bool> read_in_tee(graph_.value_count(), false);
    for (const ir::Segment& segment : segments_) {
      if (segment.placement != Placement::tee) continue;
      ++report_.tee_segments;
      report_.crossings += segment.inputs.size() + segment.outputs.size();
      for (ir::ValueId id : segment.inputs) {
        read_in_tee[idx(id)] = true;
        report_.bytes_to_tee += graph_.value(id).desc.bytes();
      }
      for (ir::ValueId id : segment.outputs) {
        made_in_tee[idx(id)] = true;
        report_.bytes_to_device += graph_.value(id).desc.bytes();
      }
    }
    report_.device_segments = segments_.size() - report_.tee_segments;
    for (const ir::Segment& segment : segments_) {
      const bool in_tee = segment.placement == Placement::tee;
      for (ir::ValueId id : segment.inputs) {
        if (in_tee || made_in_tee[idx(id)]) {
          first_reader(segment, id).bytes_in += graph_.value(id).desc.bytes();
        }
      }
      for (ir::ValueId id : segment.outputs) {
        if (in_tee || read_in_tee[idx(id)]) {
          report_.nodes[idx(graph_.value(id).producer)].bytes_out += graph_.value(id).desc.bytes();
        }
      }
    }
  }

  // How the device's copy of a weight differs from the weight, or "".
  std::string note_of(ir::NodeId id, uint64_t kept, uint64_t total) const {
    if (kept > 0) {
      return "remainder: " + std::to_string(kept) + " of " + std::to_string(total) +
             " values stay in the TEE";
    }
    return is_scaled(id) ? "scaled by one secret factor" : "";
  }

  void list_exposed_weights() {
    std::vector<bool> seen(graph_.value_count(), false);
    for (size_t n = 0; n < graph_.node_count(); ++n) {
      const auto id = static_cast<ir::NodeId>(n);
      const ir::Node& node = graph_.node(id);
      if (node.placement != Placement::device) continue;
      for (size_t i = 0; i < node.inputs.size(); ++i) {
        if (!is_parameter(graph_, node, i) || seen[idx(node.inputs[i])]) continue;
        const ir::Value& value = graph_.value(node.inputs[i]);
        seen[idx(node.inputs[i])] = true;
        if (!value.is_private) continue;
        const uint64_t total = elems(graph_, node.inputs[i]);
        const uint64_t kept = i == 1 ? kept_of(id) : 0;
        ExposedWeight weight;
        weight.name = value.name;
        weight.node = node.origin.empty() ? node.name : node.origin;
        weight.params = total - std::min(total, kept);
        weight.share = share(weight.params, report_.private_params_total);
        weight.note = note_of(id, kept, total);
        report_.private_params_exposed += weight.params;
        report_.exposed_weights.push_back(std::move(weight));
      }
    }
  }

  void list_asked_weights() {
    const Asking asking = what_asking_gives(partitioned_, ends_in_clear(partitioned_));
    const std::vector<std::vector<ir::NodeId>> readers = graph_.consumers();
    for (const AskedSegment& segment : asking.segments) {
      AskedPart part{segment.segment + 1, 0, segment.queries, segment.activated};
      for (const ir::ValueId id : segment.weights) {
        const ir::Node& reader = graph_.node(readers[idx(id)].front());
        ExposedWeight weight;
        weight.name = graph_.value(id).name;
        weight.node = reader.origin.empty() ? reader.name : reader.origin;
        weight.params = elems(graph_, id);
        weight.share = share(weight.params, report_.private_params_total);
        weight.note = "TEE segment " + std::to_string(part.segment) + ": " + asked_text(part);
        part.params += weight.params;
        report_.asked_weights.push_back(std::move(weight));
      }
      report_.private_params_asked += part.params;
      report_.asked.push_back(part);
    }
    report_.private_params_exposed += report_.private_params_asked;
    warn(asking);
  }

  void warn(const Asking& asking) {
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
    if (asking.least_depth != 0 && asking.least_depth <= kExtracted) {
      report_.warnings.push_back(
          "what the TEE shows is " + std::to_string(asking.least_depth) +
          " private layers deep: networks this shallow have been extracted by queries (Jagielski "
          "et al., USENIX Security 2020; Carlini et al., CRYPTO 2020); it is not counted as "
          "exposed");
    }
    if (!asking.telling.empty()) {
      report_.warnings.push_back(
          "node '" + graph_.node(asking.telling.front()).name + "'" +
          (asking.telling.size() > 1 ? " and " + std::to_string(asking.telling.size() - 1) + " more"
                                     : std::string()) +
          " in the TEE fails or not by indices or divisors that private weights decide: each "
          "answer "
          "tells one bit of them, with --answer label too; it is not counted as exposed");
    }
    if (asking.shows_ranks) {
      report_.warnings.emplace_back(
          "labels of an affine classifier are seen: they give its boundaries by bisection (Lowd "
          "and Meek, KDD 2005; Tramer et al., USENIX Security 2016), its weights up to a factor "
          "and a shift; it is not counted as exposed");
    }
  }

  // Whether a taoism.Restore undoes a scale on this node's result.
  bool is_scaled(ir::NodeId id) const {
    const ir::ValueId output = graph_.node(id).outputs[0];
    return std::any_of(graph_.nodes().begin(), graph_.nodes().end(), [&](const ir::Node& node) {
      return node.op == "taoism.Restore" && node.inputs[0] == output &&
             node.attrs.f("scale", 1.0F) != 1.0F;
    });
  }

  void list_exposed_activations() {
    std::vector<bool> seen(graph_.value_count(), false);
    const auto expose = [&](ir::ValueId id, ExposedActivation::Kind kind) {
      const ir::Value& value = graph_.value(id);
      if (seen[idx(id)] || !value.is_private || value.is_constant()) return;
      seen[idx(id)] = true;
      report_.exposed_activations.push_back(
          {value.name, value.desc.shape.text(), value.desc.bytes(), kind});
    };
    for (const ir::Segment& segment : segments_) {
      if (segment.placement != Placement::device) continue;
      for (ir::ValueId id : segment.inputs) {
        const bool made = graph_.value(id).producer != ir::kNoNode;
        expose(id, made ? ExposedActivation::received : ExposedActivation::input);
      }
      for (ir::NodeId node : segment.nodes) {
        for (ir::ValueId id : graph_.node(node).outputs) {
          if (id != ir::kNoValue) expose(id, ExposedActivation::computed);
        }
      }
    }
  }

  const ir::Graph& source_;
  const ir::PartitionedGraph& partitioned_;
  const ir::Graph& graph_;
  const std::vector<ir::Segment>& segments_;
  std::unordered_map<ir::NodeId, uint64_t> kept_;
  Report report_;
};

}  // namespace

const char* exposure_kind_name(ExposedActivation::Kind kind) {
  switch (kind) {
    case ExposedActivation::input: return "input";
    case ExposedActivation::received: return "received";
    case ExposedActivation::computed: return "computed";
  }
  return "unknown";
}

double Report::macs_tee_share() const { return share(macs_tee, macs_total); }
double Report::params_tee_share() const { return share(params_tee, params_total); }
double Report::private_params_exposed_share() const {
  return share(private_params_exposed, private_params_total);
}

double Report::private_params_asked_share() const {
  return share(private_params_asked, private_params_total);
}

std::string asked_text(const AskedPart& part) {
  if (part.queries == 0) return "alone on a way between clear ends";
  return std::string(part.activated ? "affine but for an activation" : "affine") +
         " between clear ends, " + std::to_string(part.queries) + " queries";
}

Result<Report> account(const ir::Graph& source, const ir::PartitionedGraph& partitioned) {
  return Accountant(source, partitioned).run();
}

}  // namespace taoism::partition
