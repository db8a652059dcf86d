#include "onnx/source_file.h"

#include "base/text.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace taoism::onnx {
namespace {

int64_t modified_ns(const struct stat& info) {
  return int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
}

struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

}  // namespace

Result<SourceFile> SourceFile::of_descriptor(int descriptor, const std::string& path) {
  SourceFile file;
  file.path_ = path;
  file.descriptor_ = descriptor;
  if (file.descriptor_ < 0) {
    const int error = errno;
    const std::string message = "'" + path + "' cannot be opened: " + std::strerror(error);
    return error == ENOENT || error == ENOTDIR ? not_found(message) : invalid_argument(message);
  }
  struct stat info = {};
  if (::fstat(file.descriptor_, &info) != 0 || !S_ISREG(info.st_mode)) {
    return invalid_argument("'" + path + "' is not a regular file");
  }
  file.size_ = static_cast<uint64_t>(info.st_size);
  file.modified_ns_ = modified_ns(info);
  return file;
}

SourceFile::SourceFile(SourceFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      size_(other.size_),
      modified_ns_(other.modified_ns_) {}

SourceFile::~SourceFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Status SourceFile::read(uint64_t offset, ByteSpan into) const {
  while (!into.empty()) {
    const ssize_t got = ::pread(descriptor_, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      return invalid_argument("'" + path_ + "' ends before byte " +
                              std::to_string(offset + into.size()));
    }
    offset += static_cast<uint64_t>(got);
    into = into.subspan(static_cast<size_t>(got));
  }
  return {};
}

bool SourceFile::is_same_file(const SourceFile& other) const {
  struct stat mine = {}, others = {};
  return ::fstat(descriptor_, &mine) == 0 && ::fstat(other.descriptor_, &others) == 0 &&
         mine.st_dev == others.st_dev && mine.st_ino == others.st_ino;
}

bool SourceFile::is_unchanged() const {
  struct stat info = {};
  return ::fstat(descriptor_, &info) == 0 && static_cast<uint64_t>(info.st_size) == size_ &&
         modified_ns(info) == modified_ns_;
}

Result<std::string> hash_files(const std::vector<const SourceFile*>& files) {
  constexpr size_t kPieceBytes = size_t{1} << 20;
  const std::unique_ptr<EVP_MD_CTX, FreeDigest> digest(EVP_MD_CTX_new());
  if (!digest || EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr) != 1) {
    return internal_error("SHA-256 is not available");
  }
  AlignedBuffer piece(kPieceBytes);
  for (const SourceFile* file : files) {
    for (uint64_t offset = 0; offset < file->size(); offset += kPieceBytes) {
      const size_t bytes = std::min<uint64_t>(kPieceBytes, file->size() - offset);
      TAOISM_RETURN_IF_ERROR(file->read(offset, piece.span().first(bytes)));
      if (EVP_DigestUpdate(digest.get(), piece.data(), bytes) != 1) {
        return internal_error("SHA-256 failed");
      }
    }
    if (!file->is_unchanged()) {
      return invalid_argument("'" + file->path() + "' has changed since it was read");
    }
  }
  unsigned char value[EVP_MAX_MD_SIZE];
  unsigned int bytes = 0;
  if (EVP_DigestFinal_ex(digest.get(), value, &bytes) != 1) {
    return internal_error("SHA-256 failed");
  }
  return hex(std::as_bytes(std::span(value, bytes)));
}

}  // namespace taoism::onnx
