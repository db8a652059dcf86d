#include "package/package.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "ir/codec.h"
#include "partition/explain.h"

namespace taoism::package {
namespace {

Status damaged(const std::string& path, const char* what) {
  return integrity_error(path + ": " + what +
                         " is not what the package was sealed with: copy it anew");
}

}  // namespace

Result<std::unique_ptr<Package>> Package::open(const std::string& path) {
  TAOISM_ASSIGN_OR_RETURN(std::shared_ptr<const PackageFile> file, PackageFile::open(path));
  std::unique_ptr<Package> package(new Package(file));
  for (const PublicConstant& constant : file->manifest().constants) {
    package->constants_.push_back(std::make_shared<ir::Constant>(
        ir::Constant{constant.desc, file->data(constant.section).data(), file}));
  }
  TAOISM_ASSIGN_OR_RETURN(const ir::PartitionedGraph largest,
                          package->graph(file->manifest().batches.back()));
  package->inputs_ = runtime::tensor_specs(largest.graph, largest.graph.inputs());
  package->outputs_ = runtime::tensor_specs(largest.graph, largest.graph.outputs());
  TAOISM_ASSIGN_OR_RETURN(package->rows_, package->proven_rows());
  return package;
}

// What was proven of its rows, once it is known to be of these inputs and outputs.
Result<onnx::RowProof> Package::proven_rows() const {
  onnx::RowProof rows = manifest().rows;
  if (rows.inputs.empty() && !rows.independent.ok()) {  // nothing is known
    for (const runtime::TensorSpec& input : inputs_) {
      const ir::Shape& shape = input.desc.shape;
      rows.inputs.push_back(shape.rank() > 0 && shape[0] == manifest().batches.back().batch ? 0 : -1);
    }
  }
  const auto fits = [](const std::vector<int>& axes, const std::vector<runtime::TensorSpec>& specs) {
    bool fits = axes.size() == specs.size();
    for (size_t i = 0; fits && i < axes.size(); ++i) {
      fits = axes[i] < static_cast<int>(specs[i].desc.shape.rank());
    }
    return fits;
  };
  const bool known = fits(rows.inputs, inputs_) &&
                     std::all_of(rows.inputs.begin(), rows.inputs.end(),
                                 [](int axis) { return axis <= 0; }) &&
                     (!rows.independent.ok() || fits(rows.outputs, outputs_));
  if (!known) return damaged(file_->path(), "what is said of its rows");
  return rows;
}

const BatchEntry* Package::entry_at_most(int64_t most) const {
  const BatchEntry* found = nullptr;
  for (const BatchEntry& entry : manifest().batches) {
    if (entry.batch <= most) found = &entry;
  }
  return found;
}

int64_t Package::batch_at_most(int64_t most) const {
  const BatchEntry* entry = entry_at_most(most);
  return entry != nullptr ? entry->batch : 0;
}

Status Package::no_batch_for(size_t rows) const {
  std::string batches;
  for (const BatchEntry& entry : manifest().batches) {
    batches += (batches.empty() ? "" : ", ") + std::to_string(entry.batch);
  }
  return invalid_argument(
      "the package was sealed for batches of " + batches + ", of which " + std::to_string(rows) +
      " rows cannot be made up: give other rows, or seal it with --batch " +
      (rows_.independent.ok() ? "1" : std::to_string(rows)) + " too");
}

Result<std::string> open_plan(const PackageFile& file, const store::PackageKey& key) {
  const Header& header = file.header();
  if (header.version < key.least_version) {
    return policy_error(file.path() + ": version " + std::to_string(header.version) +
                        "; its key accepts none before " + std::to_string(key.least_version) +
                        ": use a newer package");
  }
  const ConstByteSpan sealed = file.data(file.manifest().plan);
  if (sealed.size() < crypto::kTagBytes) return damaged(file.path(), "the plan");
  store::PackageContext context;
  context.package = header.package;
  context.version = header.version;
  context.manifest = file.digest();
  context.part = static_cast<uint32_t>(store::PackagePart::plan);
  context.bytes = sealed.size() - crypto::kTagBytes;
  std::string plan(context.bytes, '\0');
  const Status opened = store::open_part(key, context, sealed,
                                         {reinterpret_cast<std::byte*>(plan.data()), plan.size()});
  if (!opened.ok()) {
    return integrity_error(file.path() +
                           ": the plan does not open: the package is damaged, or this is not its "
                           "key");
  }
  return plan;
}

Result<ir::PartitionedGraph> Package::graph(const BatchEntry& entry) const {
  const ConstByteSpan bytes = file_->data(entry.graph);
  TAOISM_ASSIGN_OR_RETURN(const crypto::Digest digest, crypto::sha256(bytes));
  if (digest != entry.graph_sha256) return damaged(file_->path(), "the graph");
  Result<ir::PartitionedGraph> graph = ir::decode(bytes, constants_);
  if (!graph.ok()) return graph.status().annotate(file_->path());
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

Status Package::check_constants() const {
  for (const PublicConstant& constant : manifest().constants) {
    TAOISM_ASSIGN_OR_RETURN(const crypto::Digest digest,
                            crypto::sha256(file_->data(constant.section)));
    if (digest != constant.sha256) return damaged(file_->path(), "a public weight");
  }
  return {};
}

Result<runtime::Prepared> Package::prepare(int64_t batch, const runtime::Machine& machine) const {
  const BatchEntry* entry = entry_at_most(batch);
  if (entry == nullptr || entry->batch != batch) {
    return no_batch_for(static_cast<size_t>(batch));
  }
  runtime::Prepared prepared;
  TAOISM_ASSIGN_OR_RETURN(prepared.partitioned, graph(*entry));
  std::call_once(constants_checked_, [&] { constants_status_ = check_constants(); });
  TAOISM_RETURN_IF_ERROR(constants_status_);
  Result<partition::Report> report =
      partition::read_summary(nlohmann::json::parse(entry->summary, nullptr, false));
  if (!report.ok()) return damaged(file_->path(), "the summary");
  prepared.report = std::move(*report);
  prepared.plan_hash = manifest().plan_hash;
  for (const ir::Segment& segment : prepared.partitioned.segments) {
    (segment.placement == ir::Placement::tee ? prepared.uses_tee : prepared.uses_device) = true;
  }

  const Header& header = file_->header();
  auto sealed = std::make_shared<tee::SealedProgram>();
  sealed->fd = file_->descriptor();
  sealed->file_bytes = file_->bytes();
  sealed->owner = file_;
  sealed->context.package = header.package;
  sealed->context.version = header.version;
  sealed->context.manifest = file_->digest();
  sealed->context.part = static_cast<uint32_t>(store::PackagePart::program);
  sealed->context.index = static_cast<uint32_t>(entry - manifest().batches.data());
  sealed->sealed = {header.data_offset + entry->program.offset, entry->program.bytes};
  sealed->weights = {header.data_offset + entry->weights.offset, entry->weights.bytes};
  sealed->most_spill_bytes = entry->most_spill_bytes;
  sealed->whole_memory_bytes = entry->whole_memory_bytes;
  sealed->kernel_target = manifest().kernel_target;
  prepared.sealed = std::move(sealed);
  return prepared;
}

}  // namespace taoism::package
