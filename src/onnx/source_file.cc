#include "onnx/source_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "onnx/running_digest.h"

namespace taoism::onnx {
namespace {

int64_t modified_ns(const struct stat& info) {
  return int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
}

}  // namespace

Result<SourceFile> SourceFile::of_descriptor(files::Descriptor descriptor,
                                             const std::string& path) {
  SourceFile file;
  file.path_ = path;
  file.descriptor_ = std::move(descriptor);
  if (!file.descriptor_.is_open()) {
    const int error = errno;
    const std::string message = "'" + path + "' cannot be opened: " + std::strerror(error);
    return error == ENOENT || error == ENOTDIR ? not_found(message) : invalid_argument(message);
  }
  struct stat info = {};
  if (::fstat(file.descriptor_.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return invalid_argument("'" + path + "' is not a regular file");
  }
  file.size_ = static_cast<uint64_t>(info.st_size);
  file.modified_ns_ = modified_ns(info);
  return file;
}

Status SourceFile::read(uint64_t offset, ByteSpan into) const {
  while (!into.empty()) {
    const ssize_t got =
        ::pread(descriptor_.get(), into.data(), into.size(), static_cast<off_t>(offset));
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
  return ::fstat(descriptor_.get(), &mine) == 0 && ::fstat(other.descriptor_.get(), &others) == 0 &&
         mine.st_dev == others.st_dev && mine.st_ino == others.st_ino;
}

bool SourceFile::is_unchanged() const {
  struct stat info = {};
  return ::fstat(descriptor_.get(), &info) == 0 && static_cast<uint64_t>(info.st_size) == size_ &&
         modified_ns(info) == modified_ns_;
}

Result<std::string> hash_files(const std::vector<const SourceFile*>& files) {
  constexpr size_t kPieceBytes = size_t{1} << 20;
  RunningDigest digest;
  AlignedBuffer piece(kPieceBytes);
  for (const SourceFile* file : files) {
    for (uint64_t offset = 0; offset < file->size(); offset += kPieceBytes) {
      const size_t bytes = std::min<uint64_t>(kPieceBytes, file->size() - offset);
      TAOISM_RETURN_IF_ERROR(file->read(offset, piece.span().first(bytes)));
      digest.add(piece.span().first(bytes));
    }
    if (!file->is_unchanged()) {
      return invalid_argument("'" + file->path() + "' has changed since it was read");
    }
  }
  TAOISM_ASSIGN_OR_RETURN(const std::string bytes, digest.finish());
  return hex(std::as_bytes(std::span(bytes)));
}

}  // namespace taoism::onnx
