// A package file, open and mapped. Opening reads its head and its manifest, which are what their
// owner signed; every other part is checked where it is used. Host only. Thread-safety: const
// functions from several threads.
#pragma once

#include <memory>
#include <string>

#include "package/manifest.h"
#include "store/package_head.h"

namespace taoism::package {

class PackageFile {
 public:
  // `owners`: who may have signed it; null: whoever did, which proves nothing of who it was.
  // Errors: not_found; invalid_argument (no package at all, of another format); integrity (cut
  // short, not what was signed, signed by somebody else or by an owner who is revoked).
  static Result<std::shared_ptr<const PackageFile>> open(const std::string& path,
                                                         const store::Owners* owners = nullptr);
  ~PackageFile();
  PackageFile(const PackageFile&) = delete;
  PackageFile& operator=(const PackageFile&) = delete;

  const std::string& path() const { return path_; }
  int descriptor() const { return descriptor_; }
  uint64_t bytes() const { return head_->header().file_bytes; }
  const store::PackageHead& head() const { return *head_; }
  const store::PackageHeader& header() const { return head_->header(); }
  const Manifest& manifest() const { return manifest_; }
  // SHA-256 of what is signed.
  const crypto::Digest& digest() const { return digest_; }
  // Who signed it, and whether that was checked against owners.
  const store::OwnerId& signer() const { return signer_; }
  bool is_verified() const { return is_verified_; }

  // A part, which may change while somebody else can write to the file. `index` is below
  // head().count(kind).
  ConstByteSpan data(store::PartKind kind, uint32_t index) const;
  // Whether a part is what was signed. Errors: integrity naming it.
  Status check(store::PartKind kind, uint32_t index) const;
  // A copy of a part that is what was signed, whatever becomes of the file. Errors: the same.
  Result<std::vector<std::byte>> read_checked(store::PartKind kind, uint32_t index) const;
  // Whether all parts are, and what lies between them: every byte of the file.
  Status check_all() const;

 private:
  explicit PackageFile(std::string path) : path_(std::move(path)) {}
  Status map();
  Status read_head(const store::Owners* owners);
  Status read_manifest();
  Status check_signer(const store::Owners* owners);
  Status check(store::PartKind kind, uint32_t index, ConstByteSpan bytes) const;

  const std::string path_;
  int descriptor_ = -1;
  ConstByteSpan map_;
  std::optional<store::PackageHead> head_;
  Manifest manifest_;
  crypto::Digest digest_{};
  store::OwnerId signer_{};
  bool is_verified_ = false;
};

// Whether the file begins as a package does: what it is called does not matter.
bool is_package(const std::string& path);

}  // namespace taoism::package
