#include "trusted/packaged_program.h"

#include "store/chunk.h"
#include "trusted/limits.h"

namespace taoism::trusted {
namespace {

using store::PartKind;
using wire::Text;

constexpr Answer kCryptoFailed{Code::internal, Text::crypto_failed};

// `package`: the digest of what is signed.
Answer check_signer(const store::PackageKey& key, const store::PackageHead& head,
                    crypto::Digest& package) {
  const Result<crypto::Digest> signature = head.check_signature();
  if (signature.code() == Code::integrity) return integrity(Text::package_signature_wrong);
  const Result<store::Signer> signer = store::judge(key.owners, head.signer());
  if (!signature.ok() || !signer.ok()) return kCryptoFailed;
  package = *signature;
  if (*signer == store::Signer::revoked) return integrity(Text::package_signer_revoked);
  return *signer == store::Signer::accepted ? Answer() : integrity(Text::package_signer_unknown);
}

// Of bytes that are used for nothing else.
Answer check_digest(ConstByteSpan bytes, const crypto::Digest& want) {
  const auto digest = crypto::sha256(bytes);
  if (!digest.ok()) return kCryptoFailed;
  return *digest == want ? Answer() : integrity(Text::package_part_wrong);
}

}  // namespace

Answer open_packaged(const store::PackageKey& key, ConstByteSpan untrusted_file, uint32_t index,
                     PackagedProgram& opened) {
  const Result<store::PackageHead> head = store::PackageHead::read(untrusted_file);
  if (head.code() == Code::invalid_argument) return integrity(Text::package_other_format);
  if (!head.ok() || head->header().file_bytes != untrusted_file.size()) {
    return integrity(Text::package_head_wrong);
  }
  TAOISM_RETURN_IF_NOT_OK(check_signer(key, *head, opened.package));
  if (head->header().version < key.least_version) return policy(Text::package_too_old);
  const store::PackagePart* const program = head->find(PartKind::program, index);
  if (program == nullptr) return policy(Text::package_index_unknown);
  for (const store::PackagePart& part : head->parts()) {
    if (part.kind > static_cast<uint32_t>(PartKind::graph)) break;
    TAOISM_RETURN_IF_NOT_OK(
        check_digest(untrusted_file.subspan(part.offset, part.bytes), part.sha256));
  }
  if (program->bytes > kMaxProgramBytes + crypto::kTagBytes) return policy(Text::sealed_too_long);

  const store::PackageContext context = head->context(PartKind::program, index);
  std::vector<std::byte> sealed(program->bytes);
  std::memcpy(sealed.data(), untrusted_file.data() + program->offset, sealed.size());
  TAOISM_RETURN_IF_NOT_OK(check_digest(sealed, program->sha256));
  opened.plain.emplace(context.bytes);
  const Status status = store::open_part(key, context, sealed, opened.plain->span());
  if (status.code() == Code::integrity) return integrity(Text::not_authentic);
  if (!status.ok()) return kCryptoFailed;
  if (context.bytes < sizeof(store::StoreHeader)) return integrity(Text::program_invalid);

  const auto id = crypto::sha256(object_bytes(context));
  if (!id.ok()) return kCryptoFailed;
  opened.id = *id;
  const store::PackagePart* const weights = head->find(PartKind::weights, program->store);
  opened.weights = {weights->offset, weights->bytes};
  opened.must_have = {program->count, weights->count};
  return {};
}

}  // namespace taoism::trusted
