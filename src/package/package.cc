#include "package/package.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "ir/codec.h"
#include "package/owner_key.h"
#include "partition/explain.h"

namespace taoism::package {
namespace {

Status damaged(const std::string& path, const char* what) {
  return integrity_error(path + ": " + what +
                         " is not what the package was sealed with: copy it anew");
}

}  // namespace

Result<std::unique_ptr<Package>> Package::open(const std::string& path,
                                               const store::Owners* owners) {
  TAOISM_ASSIGN_OR_RETURN(std::shared_ptr<const PackageFile> file, PackageFile::open(path, owners));
  std::unique_ptr<Package> package(new Package(file));
  const Manifest& manifest = file->manifest();
  for (uint32_t c = 0; c < manifest.constants.size(); ++c) {
    package->constants_.push_back(std::make_shared<ir::Constant>(ir::Constant{
        manifest.constants[c], file->data(store::PartKind::constant, c).data(), file}));
  }
  TAOISM_ASSIGN_OR_RETURN(const ir::PartitionedGraph largest,
                          package->graph(static_cast<uint32_t>(manifest.batches.size() - 1)));
  package->inputs_ = runtime::tensor_specs(largest.graph, largest.graph.inputs());
  package->outputs_ = runtime::tensor_specs(largest.graph, largest.graph.outputs());
  TAOISM_ASSIGN_OR_RETURN(package->rows_, package->proven_rows());
  return package;
}

Result<std::unique_ptr<Package>> Package::open_owned(const std::string& path,
                                                     const std::string& owner_file) {
  if (owner_file.empty()) return open(path);
  const Result<store::Owners> owners = read_owners(owner_file);
  if (!owners.ok()) return owners.status().annotate("--owner");
  return open(path, &*owners);
}

// What was proven of its rows, once it is known to be of these inputs and outputs.
Result<onnx::RowProof> Package::proven_rows() const {
  onnx::RowProof rows = manifest().rows;
  if (rows.inputs.empty() && !rows.independent.ok()) {  // nothing is known
    for (const runtime::TensorSpec& input : inputs_) {
      const ir::Shape& shape = input.desc.shape;
      rows.inputs.push_back(shape.rank() > 0 && shape[0] == manifest().batches.back().batch ? 0
                                                                                            : -1);
    }
  }
  const auto fits = [](const std::vector<int>& axes,
                       const std::vector<runtime::TensorSpec>& specs) {
    bool fits = axes.size() == specs.size();
    for (size_t i = 0; fits && i < axes.size(); ++i) {
      fits = axes[i] < static_cast<int>(specs[i].desc.shape.rank());
    }
    return fits;
  };
  const bool known =
      fits(rows.inputs, inputs_) &&
      std::all_of(rows.inputs.begin(), rows.inputs.end(), [](int axis) { return axis <= 0; }) &&
      (!rows.independent.ok() || fits(rows.outputs, outputs_));
  if (!known) return damaged(file_->path(), "what is said of its rows");
  return rows;
}

Result<const BatchEntry*> Package::entry_of(int64_t batch) const {
  for (const BatchEntry& entry : manifest().batches) {
    if (entry.batch == batch) return &entry;
  }
  return invalid_argument("the package was sealed for batches of " + batches_text() + ", not " +
                          std::to_string(batch));
}

int64_t Package::batch_at_most(int64_t most) const {
  int64_t found = 0;
  for (const BatchEntry& entry : manifest().batches) {
    if (entry.batch <= most) found = entry.batch;
  }
  return found;
}

std::string Package::batches_text() const {
  std::string text;
  for (const BatchEntry& entry : manifest().batches) {
    text += (text.empty() ? "" : ", ") + std::to_string(entry.batch);
  }
  return text;
}

Status Package::no_batch_for(size_t rows) const {
  return invalid_argument("the package was sealed for batches of " + batches_text() +
                          ", of which " + std::to_string(rows) +
                          " rows cannot be made up: give other rows, or seal it with --batch " +
                          (rows_.independent.ok() ? "1" : std::to_string(rows)) + " too");
}

Result<std::string> open_plan(const PackageFile& file, const store::PackageKey& key) {
  const store::PackageHeader& header = file.header();
  TAOISM_ASSIGN_OR_RETURN(const store::Signer signer,
                          store::judge(key.owners, file.head().signer()));
  if (signer != store::Signer::accepted) {
    return integrity_error(file.path() + ": signed by owner " + hex(file.signer()) +
                           ", whom the key file does not accept");
  }
  if (header.version < key.least_version) {
    return policy_error(file.path() + ": version " + std::to_string(header.version) +
                        "; its key accepts none before " + std::to_string(key.least_version) +
                        ": use a newer package");
  }
  TAOISM_RETURN_IF_ERROR(file.check(store::PartKind::plan, 0));
  const store::PackageContext context = file.head().context(store::PartKind::plan, 0);
  std::string plan(context.bytes, '\0');
  const Status opened = store::open_part(key, context, file.data(store::PartKind::plan, 0),
                                         {reinterpret_cast<std::byte*>(plan.data()), plan.size()});
  if (!opened.ok()) {
    return integrity_error(file.path() +
                           ": the plan does not open: the package is damaged, or this is not its "
                           "key");
  }
  return plan;
}

Result<ir::PartitionedGraph> Package::graph(uint32_t index) const {
  TAOISM_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes,
                          file_->read_checked(store::PartKind::graph, index));
  Result<ir::PartitionedGraph> graph = ir::decode(bytes, constants_);
  if (!graph.ok()) return graph.status().annotate(file_->path());
  // Whatever a package says: no owner seals one that keeps nothing in the TEE.
  const auto segments = std::ranges::count_if(graph->segments, [](const ir::Segment& segment) {
    return segment.placement == ir::Placement::tee;
  });
  if (segments != file_->head().find(store::PartKind::program, index)->count) {
    return damaged(file_->path(), "the TEE's part of the graph");
  }
  // Names go into messages of one line.
  for (ir::Node& node : graph->graph.nodes()) {
    node.name = printable(node.name);
    node.op = printable(node.op);
  }
  for (size_t v = 0; v < graph->graph.value_count(); ++v) {
    ir::Value& value = graph->graph.value(static_cast<ir::ValueId>(v));
    value.name = printable(value.name);
  }
  return graph;
}

// Whether the graph of a batch takes and gives so many rows of what the package's do: what counts
// rows relies on it.
Status Package::check_rows(const ir::Graph& graph, int64_t batch) const {
  const int64_t largest = manifest().batches.back().batch;
  const auto scales = [&](const ir::Shape& shape, const ir::Shape& of_largest, int axis) {
    bool fits = shape.rank() == of_largest.rank();
    for (size_t d = 0; fits && d < shape.rank(); ++d) {
      const bool counts = static_cast<int>(d) == axis;
      fits = counts ? shape[d] % batch == 0 && of_largest[d] % largest == 0 &&
                          shape[d] / batch == of_largest[d] / largest
                    : shape[d] == of_largest[d];
    }
    return fits;
  };
  const auto inputs = runtime::tensor_specs(graph, graph.inputs());
  const auto outputs = runtime::tensor_specs(graph, graph.outputs());
  bool fits = inputs.size() == inputs_.size() && outputs.size() == outputs_.size();
  for (size_t i = 0; fits && i < inputs.size(); ++i) {
    const ir::TensorDesc& desc = inputs[i].desc;
    fits = desc.dtype == inputs_[i].desc.dtype &&
           scales(desc.shape, inputs_[i].desc.shape, rows_.inputs[i]) &&
           (rows_.inputs[i] < 0 || desc.shape[0] == batch);
  }
  for (size_t o = 0; fits && o < outputs.size(); ++o) {
    fits = outputs[o].desc.dtype == outputs_[o].desc.dtype &&
           (!rows_.independent.ok() ||
            scales(outputs[o].desc.shape, outputs_[o].desc.shape, rows_.outputs[o]));
  }
  return fits ? Status() : damaged(file_->path(), "what its graph takes and gives");
}

Status Package::check_constants() const {
  for (uint32_t c = 0; c < constants_.size(); ++c) {
    TAOISM_RETURN_IF_ERROR(file_->check(store::PartKind::constant, c));
  }
  return {};
}

Result<runtime::Prepared> Package::prepare(int64_t batch, const runtime::Machine& machine) const {
  const Result<const BatchEntry*> found = entry_of(batch);
  if (!found.ok()) return no_batch_for(static_cast<size_t>(batch));
  const BatchEntry* entry = *found;
  const auto index = static_cast<uint32_t>(entry - manifest().batches.data());
  runtime::Prepared prepared;
  TAOISM_ASSIGN_OR_RETURN(prepared.partitioned, graph(index));
  TAOISM_RETURN_IF_ERROR(check_rows(prepared.partitioned.graph, batch));
  std::call_once(constants_checked_, [&] { constants_status_ = check_constants(); });
  TAOISM_RETURN_IF_ERROR(constants_status_);
  Result<partition::Report> report =
      partition::read_summary(nlohmann::json::parse(entry->summary, nullptr, false));
  if (!report.ok()) return damaged(file_->path(), "the summary");
  prepared.report = std::move(*report);
  prepared.plan_hash = manifest().plan_id;
  for (const ir::Segment& segment : prepared.partitioned.segments) {
    (segment.placement == ir::Placement::tee ? prepared.uses_tee : prepared.uses_device) = true;
  }

  auto sealed = std::make_shared<tee::SealedProgram>();
  sealed->fd = file_->descriptor();
  sealed->file_bytes = file_->bytes();
  sealed->owner = file_;
  sealed->index = index;
  sealed->package = file_->digest();
  sealed->most_spill_bytes = entry->most_spill_bytes;
  sealed->whole_memory_bytes = entry->whole_memory_bytes;
  sealed->kernel_target = manifest().kernel_target;
  prepared.sealed = std::move(sealed);
  return prepared;
}

}  // namespace taoism::package
