#include "store/package_head.h"

#include <algorithm>
#include <cstring>

namespace taoism::store {
namespace {

Status damaged() { return integrity_error("the head of the package is damaged: copy it anew"); }

bool is_sealed(const PackagePart& part) {
  return part.kind == static_cast<uint32_t>(PartKind::program) ||
         part.kind == static_cast<uint32_t>(PartKind::plan);
}

template <typename Bytes>
bool is_zero(const Bytes& bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

size_t PackageHead::bytes_of(size_t parts) {
  return sizeof(PackageHeader) + parts * sizeof(PackagePart) + sizeof(PackageSignature);
}

Result<PackageHead> PackageHead::read(ConstByteSpan untrusted_file) {
  PackageHead head;
  if (untrusted_file.size() < sizeof(PackageHeader)) {
    return invalid_argument("not a package of taoism");
  }
  copy_in(&head.header_, untrusted_file.data(), sizeof(PackageHeader));
  if (head.header_.magic != PackageHeader::kMagic) {
    return invalid_argument("not a package of taoism");
  }
  if (head.header_.format < PackageHeader::kFormat) {
    return invalid_argument("a package of an older format: seal it again with this taoism");
  }
  if (head.header_.format > PackageHeader::kFormat) {
    return invalid_argument("a package of a newer format: run it with the taoism that sealed it");
  }
  const size_t parts = head.header_.parts;
  if (parts == 0 || parts > kMaxParts || bytes_of(parts) > untrusted_file.size()) return damaged();
  const std::byte* const table = untrusted_file.data() + sizeof(PackageHeader);
  head.parts_.resize(parts);
  copy_in(head.parts_.data(), table, parts * sizeof(PackagePart));
  copy_in(&head.signature_, table + parts * sizeof(PackagePart), sizeof(PackageSignature));
  if (!head.is_well_formed()) return damaged();
  return head;
}

// What the signature says is true of a package that its owner made; nothing here may depend on it.
bool PackageHead::is_well_formed() const {
  if (!is_zero(header_.unused) || !is_zero(signature_.unused)) return false;
  uint64_t offset = round_up(bytes_of(parts_.size()), kAlignment);
  uint32_t kind = 0;
  uint32_t index = 0;
  for (const PackagePart& part : parts_) {
    index = part.kind == kind ? index + 1 : 0;
    if (part.kind < kind || part.index != index || part.offset != offset) return false;
    kind = part.kind;
    if (offset > header_.file_bytes || part.bytes > header_.file_bytes - offset ||
        (is_sealed(part) && part.bytes < crypto::kTagBytes)) {
      return false;
    }
    offset = round_up(offset + part.bytes, kAlignment);
  }
  const uint32_t programs = count(PartKind::program);
  const uint32_t stores = count(PartKind::weights);
  const uint32_t constants = count(PartKind::constant);
  if (offset != header_.file_bytes || programs == 0 || count(PartKind::graph) != programs ||
      stores == 0 || stores > programs || count(PartKind::manifest) != 1 ||
      count(PartKind::plan) != 1 || parts_.size() != 2 + 2 * programs + stores + constants) {
    return false;
  }
  return std::ranges::all_of(parts_, [&](const PackagePart& part) {
    if (part.kind == static_cast<uint32_t>(PartKind::program)) {
      return part.store < stores && part.count != 0;
    }
    return part.store == 0 &&
           (part.count == 0 || part.kind == static_cast<uint32_t>(PartKind::weights));
  });
}

PackageHead PackageHead::lay_out(PackageHeader header, std::vector<PackagePart> parts) {
  PackageHead head;
  head.header_ = header;
  head.parts_ = std::move(parts);
  head.header_.parts = static_cast<uint32_t>(head.parts_.size());
  uint64_t offset = round_up(bytes_of(head.parts_.size()), kAlignment);
  for (PackagePart& part : head.parts_) {
    part.offset = offset;
    offset = round_up(offset + part.bytes, kAlignment);
  }
  head.header_.file_bytes = offset;
  return head;
}

uint32_t PackageHead::count(PartKind kind) const {
  return static_cast<uint32_t>(std::ranges::count_if(
      parts_, [&](const PackagePart& p) { return p.kind == static_cast<uint32_t>(kind); }));
}

const PackagePart* PackageHead::find(PartKind kind, uint32_t index) const {
  // Sorted by kind and index.
  const auto first = std::ranges::find_if(
      parts_, [&](const PackagePart& p) { return p.kind == static_cast<uint32_t>(kind); });
  const auto left = static_cast<size_t>(parts_.end() - first);
  if (index >= left || first[index].kind != static_cast<uint32_t>(kind)) return nullptr;
  return &first[index];
}

PackagePart& PackageHead::part(PartKind kind, uint32_t index) {
  const PackagePart* const found = find(kind, index);
  TAOISM_CHECK(found != nullptr);
  return parts_[static_cast<size_t>(found - parts_.data())];
}

PackageContext PackageHead::context(PartKind kind, uint32_t index) const {
  const PackagePart* const sealed = find(kind, index);
  const PackagePart* const manifest = find(PartKind::manifest, 0);
  TAOISM_CHECK(sealed != nullptr && manifest != nullptr && sealed->bytes >= crypto::kTagBytes);
  PackageContext context;
  context.package = header_.package;
  context.version = header_.version;
  context.manifest = manifest->sha256;
  context.part = sealed->kind;
  context.index = index;
  context.bytes = sealed->bytes - crypto::kTagBytes;
  return context;
}

std::vector<std::byte> PackageHead::signed_bytes() const {
  std::vector<std::byte> bytes = encode();
  bytes.resize(bytes.size() - sizeof(PackageSignature));
  return bytes;
}

Status PackageHead::sign(const crypto::SigningKey& owner) {
  signature_ = {};
  signature_.signer = owner.public_key();
  TAOISM_ASSIGN_OR_RETURN(signature_.signature, owner.sign(signed_bytes()));
  return {};
}

Result<crypto::Digest> PackageHead::check_signature() const {
  TAOISM_ASSIGN_OR_RETURN(const crypto::Digest digest, crypto::sha256(signed_bytes()));
  TAOISM_RETURN_IF_ERROR(crypto::verify_digest(signature_.signer, digest, signature_.signature));
  return digest;
}

std::vector<std::byte> PackageHead::encode() const {
  std::vector<std::byte> bytes(bytes_of(parts_.size()));
  std::byte* to = bytes.data();
  std::memcpy(to, &header_, sizeof(header_));
  to += sizeof(header_);
  if (!parts_.empty()) std::memcpy(to, parts_.data(), parts_.size() * sizeof(PackagePart));
  to += parts_.size() * sizeof(PackagePart);
  std::memcpy(to, &signature_, sizeof(signature_));
  return bytes;
}

}  // namespace taoism::store
