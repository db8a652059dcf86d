#include "package/seal.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "crypto/random.h"
#include "ir/codec.h"
#include "kernels/target.h"
#include "package/package_file.h"
#include "package/public_part.h"
#include "partition/explain.h"
#include "program/codec.h"
#include "program/lower.h"
#include "program/schedule.h"
#include "runtime/prepare.h"
#include "runtime/source.h"
#include "store/layout.h"
#include "store/seal_weights.h"

namespace taoism::package {
namespace {

constexpr size_t kMostThreads = 256;

// One batch size on its way into the package.
struct Bound {
  ir::PartitionedGraph graph;
  program::Lowered lowered;
  std::vector<std::byte> public_graph;
  std::vector<std::byte> program;
  size_t store = 0;  // in Sealing::stores_
};

// Weights that one or more batches read.
struct Store {
  size_t first_user = 0;
  store::StoreHeader header;
  Section section;

  explicit Store(size_t user) : first_user(user) {}
  ~Store() { secure_wipe(header.secret.data(), header.secret.size()); }
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
};

// Whether `b` finds its weights in the store of `a`: the same pieces with the same bytes.
bool have_same_store(const Bound& a, const Bound& b) {
  const program::Program& left = a.lowered.program;
  const program::Program& right = b.lowered.program;
  if (left.weights.size() != right.weights.size()) return false;
  const store::WeightLayout left_layout(left);
  const store::WeightLayout right_layout(right);
  for (program::WeightId w = 0; w < left.weights.size(); ++w) {
    const uint64_t bytes = left.weights[w].packed_bytes;
    if (bytes != right.weights[w].packed_bytes || left_layout.pieces(w) != right_layout.pieces(w)) {
      return false;
    }
    for (uint32_t piece = 0; piece < left_layout.pieces(w); ++piece) {
      if (left_layout.end(w, piece) != right_layout.end(w, piece)) return false;
    }
    SecretBuffer left_packed(bytes);
    SecretBuffer right_packed(bytes);
    program::pack_weight(a.graph.graph, a.lowered, w, left_packed.span().data());
    program::pack_weight(b.graph.graph, b.lowered, w, right_packed.span().data());
    if (std::memcmp(left_packed.span().data(), right_packed.span().data(), bytes) != 0) {
      return false;
    }
  }
  return true;
}

class Sealing {
 public:
  Sealing(const onnx::Model& model, const partition::Plan& plan, const SealOptions& options,
          const store::PackageKey& key, files::OutputFile& file)
      : model_(model), plan_(plan), options_(options), key_(key), file_(file) {}

  Result<SealReport> run() {
    if (options_.version < key_.least_version) {
      return invalid_argument(
          "the key opens packages from version " + std::to_string(key_.least_version) + " on; " +
          std::to_string(options_.version) + " would not open: give --version " +
          std::to_string(key_.least_version));
    }
    TAOISM_RETURN_IF_ERROR(bind_all());
    lay_out();
    TAOISM_RETURN_IF_ERROR(write());
    return std::move(report_);
  }

 private:
  Status bind_all() {
    manifest_.model = model_.name();
    TAOISM_ASSIGN_OR_RETURN(manifest_.model_hash, model_.hash());
    manifest_.strategy = plan_.strategy;
    manifest_.kernel_target = kernels::target_name();
    std::vector<int64_t> batches = options_.batches;
    if (!model_.batch_is_dynamic()) batches = {0};
    std::sort(batches.begin(), batches.end());
    batches.erase(std::unique(batches.begin(), batches.end()), batches.end());
    if (batches.size() > kMaxBatches) {
      return invalid_argument(std::to_string(batches.size()) +
                              " batch sizes; a package has at most " + std::to_string(kMaxBatches) +
                              ": name fewer, --batch");
    }
    for (const int64_t batch : batches) TAOISM_RETURN_IF_ERROR(bind(batch));
    onnx::ImportOptions import = options_.import;
    import.batch = batches.back();
    TAOISM_ASSIGN_OR_RETURN(manifest_.rows, runtime::prove_rows(model_, plan_, import));
    return {};
  }

  Status bind(int64_t batch) {
    onnx::ImportOptions import = options_.import;
    import.batch = batch;
    TAOISM_ASSIGN_OR_RETURN(const ir::Graph source, model_.bind(import));
    TAOISM_ASSIGN_OR_RETURN(runtime::Prepared prepared,
                            runtime::prepare(source, plan_, {.tee_threads = 1}));
    if (!prepared.uses_tee) {
      return invalid_argument("strategy " + plan_.strategy +
                              " keeps nothing in the TEE: there is nothing to seal; run the model "
                              "itself");
    }
    TAOISM_RETURN_IF_ERROR(check_exposure(prepared.report));
    Bound& bound = bound_.emplace_back();
    bound.graph = std::move(prepared.partitioned);
    TAOISM_ASSIGN_OR_RETURN(bound.lowered, program::lower(bound.graph, ir::Placement::tee));
    bound.program = program::encode(bound.lowered.program);
    ir::PartitionedGraph shown = public_part(bound.graph);
    TAOISM_RETURN_IF_ERROR(share_constants(shown.graph));
    bound.public_graph = ir::encode(shown, constants_);

    BatchEntry& entry = manifest_.batches.emplace_back();
    const ir::Shape& input = source.value(source.inputs().front()).desc.shape;
    entry.batch = batch != 0 ? batch : input.rank() != 0 ? input[0] : 1;
    TAOISM_ASSIGN_OR_RETURN(entry.graph_sha256, crypto::sha256(bound.public_graph));
    entry.most_spill_bytes = store::most_spill_bytes(bound.lowered.program);
    for (size_t threads = 1; threads <= kMostThreads; threads *= 2) {
      TAOISM_ASSIGN_OR_RETURN(const program::Schedule whole,
                              program::make_schedule(bound.lowered.program, {.threads = threads}));
      entry.whole_memory_bytes.push_back(whole.arena_bytes());
    }
    entry.summary = partition::summary_json(prepared.report).dump();
    entry.summary_text = partition::summary_text(prepared.report);
    manifest_.plan_hash = prepared.plan_hash;
    report_.batches.push_back(entry.batch);
    report_.warnings = prepared.report.warnings;
    plan_text_ = partition::write_plan(plan_, source);
    return find_store();
  }

  // A segment that anybody can copy by asking is not worth a seal.
  Status check_exposure(const partition::Report& report) const {
    if (report.asked.empty() || options_.allow_exposed) return {};
    const partition::AskedPart& part = report.asked.front();
    return policy_error(
        "strategy " + plan_.strategy + ": " + std::to_string(report.private_params_asked) +
        " private weights in the TEE can be had by asking (TEE segment " +
        std::to_string(part.segment) + ": " + partition::asked_text(part) +
        "): keep more layers together in the TEE, give labels alone (--answer label), or seal it "
        "all the same with --allow-exposed");
  }

  // Fusion makes weights of its own for every batch: equal ones become one.
  Status share_constants(ir::Graph& graph) {
    for (ir::ValueId v = 0; v < static_cast<ir::ValueId>(graph.value_count()); ++v) {
      std::shared_ptr<const ir::Constant>& constant = graph.value(v).constant;
      if (constant == nullptr) continue;
      TAOISM_ASSIGN_OR_RETURN(const crypto::Digest digest,
                              crypto::sha256({constant->data, constant->desc.bytes()}));
      const auto [from, to] = shared_.equal_range(digest);
      const auto known = std::find_if(
          from, to, [&](const auto& other) { return other.second->desc == constant->desc; });
      if (known != to) {
        constant = known->second;
      } else {
        shared_.emplace(digest, constant);
      }
    }
    return {};
  }

  // The last one bound: shares a store, or gets one.
  Status find_store() {
    for (size_t s = 0; s < stores_.size(); ++s) {
      if (!have_same_store(bound_[stores_[s]->first_user], bound_.back())) continue;
      bound_.back().store = s;
      return {};
    }
    bound_.back().store = stores_.size();
    stores_.push_back(std::make_unique<Store>(bound_.size() - 1));
    TAOISM_ASSIGN_OR_RETURN(stores_.back()->header, store::new_store(options_.version));
    return {};
  }

  Section place(uint64_t bytes) {
    const Section section{data_bytes_, bytes};
    data_bytes_ = round_up(data_bytes_ + bytes, kAlignment);
    return section;
  }

  void lay_out() {
    for (size_t b = 0; b < bound_.size(); ++b) {
      BatchEntry& entry = manifest_.batches[b];
      entry.graph = place(bound_[b].public_graph.size());
      entry.program =
          place(sizeof(store::StoreHeader) + bound_[b].program.size() + crypto::kTagBytes);
    }
    manifest_.plan = place(plan_text_.size() + crypto::kTagBytes);
    for (const auto& constant : constants_) {
      PublicConstant& entry = manifest_.constants.emplace_back();
      entry.desc = constant->desc;
      entry.section = place(constant->desc.bytes());
      report_.public_weight_bytes += entry.section.bytes;
    }
    for (const auto& store : stores_) {
      const program::Program& program = bound_[store->first_user].lowered.program;
      store->section = place(store::WeightLayout(program).bytes());
      report_.sealed_weight_bytes += store->section.bytes;
    }
    for (size_t b = 0; b < bound_.size(); ++b) {
      manifest_.batches[b].weights = stores_[bound_[b].store]->section;
    }
  }

  Status write() {
    for (size_t c = 0; c < constants_.size(); ++c) {
      TAOISM_ASSIGN_OR_RETURN(manifest_.constants[c].sha256,
                              crypto::sha256({constants_[c]->data, constants_[c]->desc.bytes()}));
    }
    const std::string manifest = write_manifest(manifest_);
    if (manifest.size() > kMaxManifestBytes) {
      return unsupported("the public part of the package is larger than 64 MiB");
    }
    Header header;
    TAOISM_RETURN_IF_ERROR(crypto::random_bytes(header.package));
    header.version = options_.version;
    header.manifest_bytes = manifest.size();
    header.data_offset = round_up(sizeof(header) + manifest.size(), kAlignment);
    header.file_bytes = header.data_offset + data_bytes_;
    report_.file_bytes = header.file_bytes;
    context_.package = header.package;
    context_.version = header.version;
    TAOISM_ASSIGN_OR_RETURN(context_.manifest, public_digest(header, manifest));

    TAOISM_RETURN_IF_ERROR(file_.append(object_bytes(header)));
    TAOISM_RETURN_IF_ERROR(file_.append(manifest));
    TAOISM_RETURN_IF_ERROR(pad(sizeof(header) + manifest.size()));
    for (size_t b = 0; b < bound_.size(); ++b) {
      TAOISM_RETURN_IF_ERROR(append(bound_[b].public_graph));
      TAOISM_RETURN_IF_ERROR(append_program(b));
    }
    TAOISM_RETURN_IF_ERROR(
        append_sealed(store::PackagePart::plan, 0,
                      {reinterpret_cast<const std::byte*>(plan_text_.data()), plan_text_.size()}));
    for (const auto& constant : constants_) {
      TAOISM_RETURN_IF_ERROR(append({constant->data, constant->desc.bytes()}));
    }
    for (const auto& store : stores_) TAOISM_RETURN_IF_ERROR(append_weights(*store));
    return {};
  }

  Status pad(uint64_t bytes) {
    constexpr std::array<std::byte, kAlignment> kZeros{};
    return file_.append(ConstByteSpan(kZeros).first(round_up(bytes, kAlignment) - bytes));
  }
  Status append(ConstByteSpan bytes) {
    TAOISM_RETURN_IF_ERROR(file_.append(bytes));
    return pad(bytes.size());
  }
  Status append_sealed(store::PackagePart part, size_t index, ConstByteSpan plain) {
    store::PackageContext context = context_;
    context.part = static_cast<uint32_t>(part);
    context.index = static_cast<uint32_t>(index);
    context.bytes = plain.size();
    std::vector<std::byte> sealed(plain.size() + crypto::kTagBytes);
    TAOISM_RETURN_IF_ERROR(store::seal_part(key_, context, plain, sealed));
    return append(sealed);
  }
  Status append_program(size_t b) {
    const std::vector<std::byte>& encoded = bound_[b].program;
    const store::StoreHeader& header = stores_[bound_[b].store]->header;
    SecretBuffer plain(sizeof(header) + encoded.size());
    std::memcpy(plain.span().data(), &header, sizeof(header));
    std::memcpy(plain.span().data() + sizeof(header), encoded.data(), encoded.size());
    return append_sealed(store::PackagePart::program, b, plain.span());
  }
  Status append_weights(const Store& store) {
    const Bound& bound = bound_[store.first_user];
    AlignedBuffer sealed(store.section.bytes);
    TAOISM_RETURN_IF_ERROR(store::seal_weights(
        bound.lowered.program, store::WeightLayout(bound.lowered.program), store.header,
        [&](program::WeightId w, std::byte* packed) {
          program::pack_weight(bound.graph.graph, bound.lowered, w, packed);
        },
        sealed.span()));
    return append(sealed.span());
  }

  const onnx::Model& model_;
  const partition::Plan& plan_;
  const SealOptions& options_;
  const store::PackageKey& key_;
  files::OutputFile& file_;
  Manifest manifest_;
  std::vector<Bound> bound_;  // by batch, as manifest_.batches
  std::vector<std::unique_ptr<Store>> stores_;
  std::vector<std::shared_ptr<const ir::Constant>> constants_;
  std::multimap<crypto::Digest, std::shared_ptr<const ir::Constant>> shared_;
  std::string plan_text_;
  uint64_t data_bytes_ = 0;
  store::PackageContext context_;
  SealReport report_;
};

}  // namespace

Result<SealReport> seal(const onnx::Model& model, const partition::Plan& plan,
                        const SealOptions& options, const store::PackageKey& key,
                        files::OutputFile& file) {
  return Sealing(model, plan, options, key, file).run();
}

}  // namespace taoism::package
