#include "package/package_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

namespace taoism::package {
namespace {

using store::PackageHead;
using store::PackagePart;
using store::PartKind;

const char* kind_text(uint32_t kind) {
  switch (static_cast<PartKind>(kind)) {
    case PartKind::manifest: return "the manifest";
    case PartKind::graph: return "a graph";
    case PartKind::program: return "a sealed program";
    case PartKind::plan: return "the sealed plan";
    case PartKind::constant: return "a public weight";
    case PartKind::weights: return "the sealed weights";
  }
  return "a part";
}

}  // namespace

Result<std::shared_ptr<const PackageFile>> PackageFile::open(const std::string& path,
                                                             const store::Owners* owners) {
  std::shared_ptr<PackageFile> file(new PackageFile(path));
  Status status = file->map();
  if (status.ok()) status = file->read_head(owners);
  if (!status.ok()) return status.annotate(path);
  TAOISM_RETURN_IF_ERROR(file->read_manifest());
  return std::shared_ptr<const PackageFile>(std::move(file));
}

PackageFile::~PackageFile() {
  if (!map_.empty()) munmap(const_cast<std::byte*>(map_.data()), map_.size());
  if (descriptor_ >= 0) close(descriptor_);
}

Status PackageFile::map() {
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) {
    return {errno == ENOENT ? Code::not_found : Code::invalid_argument,
            std::string("cannot open: ") + std::strerror(errno)};
  }
  struct stat status;
  if (fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    return invalid_argument("not a file");
  }
  const auto size = static_cast<size_t>(status.st_size);
  if (size == 0) return invalid_argument("not a package of taoism");
  void* map = mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor_, 0);
  if (map == MAP_FAILED) return unavailable(std::string("cannot map: ") + std::strerror(errno));
  map_ = {static_cast<const std::byte*>(map), size};
  return {};
}

Status PackageFile::read_head(const store::Owners* owners) {
  Result<PackageHead> head = PackageHead::read(map_);
  if (!head.ok()) return head.status();
  head_ = std::move(*head);
  if (bytes() != map_.size()) {
    return integrity_error("has " + std::to_string(map_.size()) + " bytes and was sealed with " +
                           std::to_string(bytes()) + ": copy it anew");
  }
  return check_signer(owners);
}

Status PackageFile::read_manifest() {
  if (data(PartKind::manifest, 0).size() > kMaxManifestBytes) {
    return integrity_error(path_ + ": its manifest is longer than any: copy it anew");
  }
  TAOISM_ASSIGN_OR_RETURN(const std::vector<std::byte> bytes, read_checked(PartKind::manifest, 0));
  Result<Manifest> manifest =
      package::read_manifest({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  if (!manifest.ok()) return manifest.status().annotate(path_);
  manifest_ = std::move(*manifest);
  bool fits = manifest_.batches.size() == head_->count(PartKind::graph) &&
              manifest_.constants.size() == head_->count(PartKind::constant);
  for (uint32_t c = 0; fits && c < manifest_.constants.size(); ++c) {
    fits = data(PartKind::constant, c).size() == manifest_.constants[c].bytes();
  }
  return fits ? Status() : integrity_error(path_ + ": its manifest is of another package");
}

Status PackageFile::check_signer(const store::Owners* owners) {
  TAOISM_ASSIGN_OR_RETURN(signer_, store::owner_id(head_->signer()));
  const Result<crypto::Digest> signature = head_->check_signature();
  if (signature.code() == Code::integrity) {
    return integrity_error(
        "the signature does not verify: the package is damaged, or not what its owner signed");
  }
  TAOISM_ASSIGN_OR_RETURN(digest_, signature);
  if (owners == nullptr) return {};
  TAOISM_ASSIGN_OR_RETURN(const store::Signer signer, store::judge(*owners, head_->signer()));
  const std::string who = "signed by owner " + hex(ConstByteSpan(signer_).first(8));
  if (signer == store::Signer::revoked) return integrity_error(who + ", whom --owner revokes");
  if (signer == store::Signer::unknown) {
    return integrity_error(who +
                           ", who is none of those in --owner: another owner's, or a forgery");
  }
  is_verified_ = true;
  return {};
}

ConstByteSpan PackageFile::data(PartKind kind, uint32_t index) const {
  const PackagePart* const part = head_->find(kind, index);
  TAOISM_CHECK(part != nullptr);
  return map_.subspan(part->offset, part->bytes);
}

Status PackageFile::check(PartKind kind, uint32_t index) const {
  return check(kind, index, data(kind, index));
}

Result<std::vector<std::byte>> PackageFile::read_checked(PartKind kind, uint32_t index) const {
  const ConstByteSpan mapped = data(kind, index);
  std::vector<std::byte> copy(mapped.begin(), mapped.end());
  TAOISM_RETURN_IF_ERROR(check(kind, index, copy));
  return copy;
}

Status PackageFile::check(PartKind kind, uint32_t index, ConstByteSpan bytes) const {
  TAOISM_ASSIGN_OR_RETURN(const crypto::Digest digest, crypto::sha256(bytes));
  if (digest == head_->find(kind, index)->sha256) return {};
  return integrity_error(path_ + ": " + kind_text(static_cast<uint32_t>(kind)) +
                         " is not what its owner signed: copy it anew");
}

Status PackageFile::check_all() const {
  uint64_t end = PackageHead::bytes_of(head_->parts().size());
  for (const PackagePart& part : head_->parts()) {
    const ConstByteSpan between = map_.subspan(end, part.offset - end);
    if (!std::ranges::all_of(between, [](std::byte b) { return b == std::byte{0}; })) {
      return integrity_error(path_ + ": bytes between its parts that its owner did not write");
    }
    TAOISM_RETURN_IF_ERROR(check(static_cast<PartKind>(part.kind), part.index));
    end = part.offset + part.bytes;
  }
  const ConstByteSpan rest = map_.subspan(end);
  if (std::ranges::all_of(rest, [](std::byte b) { return b == std::byte{0}; })) return {};
  return integrity_error(path_ + ": bytes behind its parts that its owner did not write");
}

bool is_package(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return false;
  std::array<char, 8> magic{};
  const ssize_t bytes = pread(file, magic.data(), magic.size(), 0);
  close(file);
  return bytes == static_cast<ssize_t>(magic.size()) && magic == store::PackageHeader::kMagic;
}

}  // namespace taoism::package
