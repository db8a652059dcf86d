// Accounting: what a partition puts where, what crosses, and what the device gets to see. Counted
// on the source graph and its rewritten, unfused form, before devices compile it. Host only.
// Thread-safety: pure functions over values.
#pragma once

#include <string>
#include <vector>

#include "ir/segment.h"

namespace taoism::partition {

struct ReportNode {
  std::string name;
  std::string origin;  // the source node, when a rewrite made this one
  std::string op;
  ir::Placement placement;
  std::string why;
  uint64_t macs = 0;    // per image
  uint64_t params = 0;  // held on the node's side; a node split in two shares them out
  uint64_t bytes_in =
      0;  // tensors that cross to this side because this node is the first to read them
  uint64_t bytes_out = 0;  // tensors that this node makes and that cross to the other side
};

// A private weight, or a part of it, that the host has or can have.
struct ExposedWeight {
  std::string name;
  std::string node;  // the source node that it belongs to
  uint64_t params = 0;
  double share = 0;  // of all private parameters
  std::string note;  // "", how it is had, or how the device's copy differs
};

// What a TEE segment gives away to a host that chooses its inputs (partition/asking.h).
struct AskedPart {
  uint64_t segment = 0;    // of the TEE's, from 1
  uint64_t params = 0;     // private ones; 0: of a secret of the strategy's alone
  uint64_t queries = 0;    // rows that suffice; 0: not known, a layer that is alone on a way
  bool activated = false;  // seen through an activation; else affine between clear ends
};
// "affine between clear ends, 65 queries", "alone on a way between clear ends"
std::string asked_text(const AskedPart& part);

// A private tensor that the device reads or computes.
struct ExposedActivation {
  enum Kind : uint8_t { input, received, computed };
  std::string name;
  std::string shape;
  uint64_t bytes = 0;
  Kind kind = computed;
};
const char* exposure_kind_name(ExposedActivation::Kind kind);  // "input", "received", "computed"

// How the TEE will run its part in the memory that it has: the trusted memory, and what running in
// less than everything costs for each inference of the batch.
struct TeeMemory {
  uint64_t peak_bytes = 0;  // the sum of the next four; 0: nothing runs in the TEE
  uint64_t weight_bytes = 0;
  uint64_t ring_bytes = 0;
  uint64_t scratch_bytes = 0;
  uint64_t activation_bytes = 0;

  size_t weights = 0;           // how many there are
  size_t streamed_weights = 0;  // of them: opened anew whenever they are read
  uint64_t streamed_bytes = 0;  // opened because they are streamed
  uint64_t spilled_bytes = 0;   // activations sealed, and opened again
  uint64_t repeated_macs = 0;   // of an image: computed twice, because bands of rows overlap
  uint64_t least_images = 0;    // in a part of the batch
  uint64_t most_bands = 0;      // of one layer; 0: all layers are computed whole
};

struct Report {
  std::string model;
  std::string strategy;  // canonical text, as in the plan
  std::vector<ReportNode> nodes;

  // MACs and parameters of the source graph, per image; and what of it the TEE does. (The MACs of
  // the two sides may add up to more: a split layer is computed on both.)
  uint64_t macs_total = 0;
  uint64_t macs_tee = 0;
  uint64_t params_total = 0;
  uint64_t params_tee = 0;
  // params_tee as the field's published sweeps count it: without the stem's batch-norm, whose scale
  // and shift they leave out (128 of ResNet-18's 11220132 parameters). To compare with those
  // figures alone.
  uint64_t params_tee_published = 0;

  // Tensors that pass the TEE's boundary in one run, either way; the runs of nodes inside it; bytes
  // for the batch that the graph is bound to.
  uint64_t crossings = 0;
  uint64_t tee_segments = 0;
  uint64_t device_segments = 0;
  uint64_t bytes_to_device = 0;  // out of the TEE, the caller's results included
  uint64_t bytes_to_tee = 0;

  // Elements of weights marked private (batch-norm statistics not counted), each once, whoever
  // reads it; how many of them the host has or can have; and how many of those lie in the TEE and
  // can be had by asking.
  uint64_t private_params_total = 0;
  uint64_t private_params_exposed = 0;
  uint64_t private_params_asked = 0;
  std::vector<ExposedWeight>
      exposed_weights;  // held by the device, or following from what it holds
  // Weights of layers and tables that the plan keeps in the TEE and that are held by the device
  // too, or follow from what it holds; those alone of which that is no chance (ir::is_telling).
  std::vector<ExposedWeight> followed_weights;
  std::vector<ExposedWeight> asked_weights;
  std::vector<AskedPart> asked;  // by segment, of which one may have two
  std::vector<ExposedActivation> exposed_activations;

  // Filled in by the runtime when it has lowered the plan.
  TeeMemory tee_memory;
  // What asking gives and what is known of the rest; carry_out() adds those of the plan.
  std::vector<std::string> warnings;

  double macs_tee_share() const;
  double params_tee_share() const;
  double private_params_exposed_share() const;
  double private_params_asked_share() const;
};

// `source` is the graph before, `partitioned` the unfused graph after rewriting. Errors: internal
// for an operator that does not exist.
Result<Report> account(const ir::Graph& source, const ir::PartitionedGraph& partitioned);

}  // namespace taoism::partition
