// A package file, open and mapped; nothing is read but its header and public part. Host only.
// Thread-safety: const functions from several threads.
#pragma once

#include <memory>
#include <string>

#include "package/manifest.h"

namespace taoism::package {

class PackageFile {
 public:
  // Errors: not_found; invalid_argument (no package at all, of another format); integrity (cut
  // short, a public part that cannot be one).
  static Result<std::shared_ptr<const PackageFile>> open(const std::string& path);
  ~PackageFile();
  PackageFile(const PackageFile&) = delete;
  PackageFile& operator=(const PackageFile&) = delete;

  const std::string& path() const { return path_; }
  int descriptor() const { return descriptor_; }
  uint64_t bytes() const { return header_.file_bytes; }
  const Header& header() const { return header_; }
  const Manifest& manifest() const { return manifest_; }
  // SHA-256 of header and manifest, as sealed parts are bound to it.
  const crypto::Digest& digest() const { return digest_; }
  // A section of manifest().
  ConstByteSpan data(const Section& section) const {
    return {map_ + header_.data_offset + section.offset, section.bytes};
  }

 private:
  explicit PackageFile(std::string path) : path_(std::move(path)) {}
  Status read();
  Status read_exactly(uint64_t offset, ByteSpan into) const;

  const std::string path_;
  int descriptor_ = -1;
  const std::byte* map_ = nullptr;
  Header header_;
  Manifest manifest_;
  crypto::Digest digest_{};
};

// Whether the file begins as a package does: what it is called does not matter.
bool is_package(const std::string& path);

// SHA-256 of a header and a manifest. Errors: internal (the crypto provider).
Result<crypto::Digest> public_digest(const Header& header, std::string_view manifest);

}  // namespace taoism::package
