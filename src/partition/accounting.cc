#include "partition/accounting.h"

#include <algorithm>

#include "partition/exposure.h"
#include "partition/facts.h"

namespace taoism::partition {
namespace {

using ir::Placement;

double share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
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
    account_exposure(source_, partitioned_, kept_, report_);
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

  void count_source() {
    for (const ir::Node& node : source_.nodes()) {
      const ops::Cost cost = cost_of(source_, node);
      report_.macs_total += cost.macs;
      report_.params_total += cost.params;
    }
  }

  uint64_t params_of(ir::NodeId id) const {
    const ir::Node& node = graph_.node(id);
    if (node.origin.empty()) return cost_of(graph_, node).params;
    uint64_t params = 0;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (is_parameter(graph_, node, i)) params += elems(graph_, node.inputs[i]);
    }
    return params - std::min(params, kept_of(kept_, id));
  }

  // What the model's first layer gives, or nothing.
  ir::ValueId stem_output() const {
    const auto first = std::find_if(source_.nodes().begin(), source_.nodes().end(),
                                    [&](const ir::Node& n) { return is_layer(source_, n); });
    return first == source_.nodes().end() ? ir::kNoValue : first->outputs[0];
  }

  void list_nodes() {
    const ir::ValueId stem = stem_output();
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
        const bool is_stem_norm = node.op == "BatchNormalization" && node.inputs[0] == stem;
        if (!is_stem_norm) report_.params_tee_published += row.params;
      }
      report_.nodes.push_back(std::move(row));
    }
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
    std::vector<bool> crosses(graph_.value_count(), false);
    for (const ir::Segment& segment : segments_) {
      const bool in_tee = segment.placement == Placement::tee;
      for (ir::ValueId id : segment.inputs) crosses[idx(id)] = in_tee || made_in_tee[idx(id)];
      // Counted where it is read first.
      for (ir::NodeId node : segment.nodes) {
        for (ir::ValueId id : graph_.node(node).inputs) {
          if (id == ir::kNoValue || !crosses[idx(id)]) continue;
          crosses[idx(id)] = false;
          report_.nodes[idx(node)].bytes_in += graph_.value(id).desc.bytes();
        }
      }
      for (ir::ValueId id : segment.outputs) {
        if (in_tee || read_in_tee[idx(id)]) {
          report_.nodes[idx(graph_.value(id).producer)].bytes_out += graph_.value(id).desc.bytes();
        }
      }
    }
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
  KeptParts kept_;
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
