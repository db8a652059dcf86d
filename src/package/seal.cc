#include "package/seal.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "crypto/random.h"
#include "host/memory.h"
#include "ir/codec.h"
#include "kernels/target.h"
#include "package/manifest.h"
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

using store::PartKind;

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
          const store::PackageKey& key, const crypto::SigningKey& owner, files::OutputFile& file)
      : model_(model), plan_(plan), options_(options), key_(key), owner_(owner), file_(file) {}

  Result<SealReport> run() {
    if (options_.version < key_.least_version) {
      return invalid_argument(
          "the key opens packages from version " + std::to_string(key_.least_version) + " on; " +
          std::to_string(options_.version) + " would not open: give --version " +
          std::to_string(key_.least_version));
    }
    TAOISM_RETURN_IF_ERROR(bind_all());
    TAOISM_RETURN_IF_ERROR(lay_out());
    TAOISM_RETURN_IF_ERROR(write());
    return std::move(report_);
  }

 private:
  Status bind_all() {
    manifest_.model = model_.name();
    TAOISM_ASSIGN_OR_RETURN(const std::string hash, model_.hash());
    TAOISM_ASSIGN_OR_RETURN(const crypto::Digest name, store::keyed_name(key_, hash));
    manifest_.model_id = hex(name);
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
    for (const int64_t batch : batches) {
      TAOISM_RETURN_IF_ERROR(bind(batch));
      TAOISM_RETURN_IF_ERROR(check_lengths());
    }
    onnx::ImportOptions import = options_.import;
    import.batch = batches.back();
    TAOISM_ASSIGN_OR_RETURN(manifest_.rows, runtime::prove_rows(model_, plan_, import));
    return {};
  }

  // Of all inputs the first dimension alone may follow the batch: a package says one shape of each.
  Status check_lengths() const {
    const ir::Graph& first = bound_.front().graph.graph;
    const ir::Graph& last = bound_.back().graph.graph;
    for (size_t i = 0; i < first.inputs().size(); ++i) {
      const ir::Value& value = first.value(first.inputs()[i]);
      const ir::Shape& one = value.desc.shape;
      const ir::Shape& other = last.value(last.inputs()[i]).desc.shape;
      for (size_t d = 1; d < one.rank(); ++d) {
        if (one[d] == other[d]) continue;
        return unsupported("input '" + value.name + "' has the batch in dimension " +
                           std::to_string(d) + ", and a package of several batches has it in " +
                           "dimension 0 alone: seal for one, --batch " +
                           std::to_string(manifest_.batches.back().batch));
      }
    }
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
    entry.most_spill_bytes = store::most_spill_bytes(bound.lowered.program);
    for (size_t threads = 1; threads <= kMostThreads; threads *= 2) {
      TAOISM_ASSIGN_OR_RETURN(const program::Schedule whole,
                              program::make_schedule(bound.lowered.program, {.threads = threads}));
      entry.whole_memory_bytes.push_back(whole.arena_bytes());
    }
    entry.summary = partition::summary_json(prepared.report).dump();
    entry.summary_text = partition::summary_text(prepared.report);
    TAOISM_ASSIGN_OR_RETURN(const crypto::Digest name, store::keyed_name(key_, prepared.plan_hash));
    manifest_.plan_id = hex(name);
    report_.batches.push_back(entry.batch);
    report_.warnings = prepared.report.warnings;
    plan_text_ = partition::write_plan(plan_, source);
    return find_store();
  }

  // A segment that anybody can copy by asking is not worth a seal.
  Status check_exposure(const partition::Report& report) const {
    if (options_.allow_exposed) return {};
    if (!report.followed_weights.empty()) {
      const partition::ExposedWeight& weight = report.followed_weights.front();
      return policy_error(
          "strategy " + plan_.strategy + ": the private weight '" + weight.name + "' (node '" +
          weight.node +
          "') in the TEE follows from what the device has: place all nodes that "
          "use it, or what it was computed from, on one side (--plan), or seal it all the same "
          "with --allow-exposed");
    }
    if (report.asked.empty()) return {};
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

  static store::PackagePart part(PartKind kind, size_t index, uint64_t bytes) {
    store::PackagePart part;
    part.kind = static_cast<uint32_t>(kind);
    part.index = static_cast<uint32_t>(index);
    part.bytes = bytes;
    return part;
  }

  // Says of every part how large it is, and where: digests are known when it is written.
  Status lay_out() {
    for (const auto& constant : constants_) manifest_.constants.push_back(constant->desc);
    manifest_text_ = write_manifest(manifest_);
    if (manifest_text_.size() > kMaxManifestBytes) {
      return unsupported("the manifest of the package is larger than 64 MiB");
    }
    std::vector<store::PackagePart> parts{part(PartKind::manifest, 0, manifest_text_.size())};
    for (size_t b = 0; b < bound_.size(); ++b) {
      parts.push_back(part(PartKind::graph, b, bound_[b].public_graph.size()));
    }
    for (size_t b = 0; b < bound_.size(); ++b) {
      parts.push_back(
          part(PartKind::program, b,
               sizeof(store::StoreHeader) + bound_[b].program.size() + crypto::kTagBytes));
      parts.back().store = static_cast<uint32_t>(bound_[b].store);
      parts.back().count = static_cast<uint32_t>(bound_[b].lowered.program.segments.size());
    }
    parts.push_back(part(PartKind::plan, 0, plan_text_.size() + crypto::kTagBytes));
    for (size_t c = 0; c < constants_.size(); ++c) {
      parts.push_back(part(PartKind::constant, c, constants_[c]->desc.bytes()));
      report_.public_weight_bytes += parts.back().bytes;
    }
    for (size_t s = 0; s < stores_.size(); ++s) {
      const program::Program& program = bound_[stores_[s]->first_user].lowered.program;
      parts.push_back(part(PartKind::weights, s, store::WeightLayout(program).bytes()));
      parts.back().count = static_cast<uint32_t>(program.weights.size());
      report_.sealed_weight_bytes += parts.back().bytes;
    }
    if (parts.size() > store::kMaxParts) {
      return unsupported("the package would have " + std::to_string(parts.size()) +
                         " parts, more than " + std::to_string(store::kMaxParts) +
                         ": fewer --batch sizes make fewer");
    }
    store::PackageHeader header;
    TAOISM_RETURN_IF_ERROR(crypto::random_bytes(header.package));
    header.version = options_.version;
    head_ = store::PackageHead::lay_out(header, std::move(parts));
    report_.file_bytes = head_->header().file_bytes;
    return {};
  }

  // The head last, when every digest is known.
  Status write() {
    TAOISM_RETURN_IF_ERROR(append_padded(head_->encode()));
    TAOISM_RETURN_IF_ERROR(append(PartKind::manifest, 0, std::as_bytes(std::span(manifest_text_))));
    for (size_t b = 0; b < bound_.size(); ++b) {
      TAOISM_RETURN_IF_ERROR(append(PartKind::graph, b, bound_[b].public_graph));
    }
    for (size_t b = 0; b < bound_.size(); ++b) TAOISM_RETURN_IF_ERROR(append_program(b));
    TAOISM_RETURN_IF_ERROR(append_sealed(PartKind::plan, 0, std::as_bytes(std::span(plan_text_))));
    for (size_t c = 0; c < constants_.size(); ++c) {
      TAOISM_RETURN_IF_ERROR(
          append(PartKind::constant, c, {constants_[c]->data, constants_[c]->desc.bytes()}));
    }
    for (size_t s = 0; s < stores_.size(); ++s) TAOISM_RETURN_IF_ERROR(append_weights(s));
    TAOISM_RETURN_IF_ERROR(head_->sign(owner_));
    return file_.overwrite(0, head_->encode());
  }

  Status append_padded(ConstByteSpan bytes) {
    constexpr std::array<std::byte, kAlignment> kZeros{};
    TAOISM_RETURN_IF_ERROR(file_.append(bytes));
    return file_.append(
        ConstByteSpan(kZeros).first(round_up(bytes.size(), kAlignment) - bytes.size()));
  }
  Status append(PartKind kind, size_t index, ConstByteSpan bytes) {
    store::PackagePart& part = head_->part(kind, static_cast<uint32_t>(index));
    TAOISM_CHECK(bytes.size() == part.bytes);
    TAOISM_ASSIGN_OR_RETURN(part.sha256, crypto::sha256(bytes));
    return append_padded(bytes);
  }
  Status append_sealed(PartKind kind, size_t index, ConstByteSpan plain) {
    const store::PackageContext context = head_->context(kind, static_cast<uint32_t>(index));
    std::vector<std::byte> sealed(plain.size() + crypto::kTagBytes);
    TAOISM_RETURN_IF_ERROR(store::seal_part(key_, context, plain, sealed));
    return append(kind, index, sealed);
  }
  Status append_program(size_t b) {
    const std::vector<std::byte>& encoded = bound_[b].program;
    const store::StoreHeader& header = stores_[bound_[b].store]->header;
    SecretBuffer plain(sizeof(header) + encoded.size());
    std::memcpy(plain.span().data(), &header, sizeof(header));
    std::memcpy(plain.span().data() + sizeof(header), encoded.data(), encoded.size());
    return append_sealed(PartKind::program, b, plain.span());
  }
  Status append_weights(size_t s) {
    const Store& store = *stores_[s];
    const Bound& bound = bound_[store.first_user];
    const store::WeightLayout layout(bound.lowered.program);
    TAOISM_ASSIGN_OR_RETURN(AlignedBuffer sealed, host::take_memory(layout.bytes()));
    TAOISM_RETURN_IF_ERROR(store::seal_weights(
        bound.lowered.program, layout, store.header,
        [&](program::WeightId w, std::byte* packed) {
          program::pack_weight(bound.graph.graph, bound.lowered, w, packed);
        },
        sealed.span()));
    return append(PartKind::weights, s, sealed.span());
  }

  const onnx::Model& model_;
  const partition::Plan& plan_;
  const SealOptions& options_;
  const store::PackageKey& key_;
  const crypto::SigningKey& owner_;
  files::OutputFile& file_;
  Manifest manifest_;
  std::vector<Bound> bound_;  // by batch, as manifest_.batches
  std::vector<std::unique_ptr<Store>> stores_;
  std::vector<std::shared_ptr<const ir::Constant>> constants_;
  std::multimap<crypto::Digest, std::shared_ptr<const ir::Constant>> shared_;
  std::string plan_text_;
  std::string manifest_text_;
  std::optional<store::PackageHead> head_;
  SealReport report_;
};

}  // namespace

Result<SealReport> seal(const onnx::Model& model, const partition::Plan& plan,
                        const SealOptions& options, const store::PackageKey& key,
                        const crypto::SigningKey& owner, files::OutputFile& file) {
  return Sealing(model, plan, options, key, owner, file).run();
}

}  // namespace taoism::package
