#include "package/package_file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace taoism::package {

Result<std::shared_ptr<const PackageFile>> PackageFile::open(const std::string& path) {
  std::shared_ptr<PackageFile> file(new PackageFile(path));
  Status status = file->read();
  if (!status.ok()) return status.annotate(path);
  return std::shared_ptr<const PackageFile>(std::move(file));
}

PackageFile::~PackageFile() {
  if (map_ != nullptr) {
    munmap(const_cast<std::byte*>(map_), header_.file_bytes);
  }
  if (descriptor_ >= 0) close(descriptor_);
}

Status PackageFile::read_exactly(uint64_t offset, ByteSpan into) const {
  while (!into.empty()) {
    const ssize_t bytes = pread(descriptor_, into.data(), into.size(), static_cast<off_t>(offset));
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) return integrity_error("cannot be read to its end: copy it anew");
    offset += static_cast<uint64_t>(bytes);
    into = into.subspan(static_cast<size_t>(bytes));
  }
  return {};
}

Status PackageFile::read() {
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) {
    return {errno == ENOENT ? Code::not_found : Code::invalid_argument,
            std::string("cannot open: ") + std::strerror(errno)};
  }
  struct stat status;
  if (fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    return invalid_argument("not a file");
  }
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size < sizeof(Header)) return invalid_argument("not a package of taoism");
  Header header;
  TAOISM_RETURN_IF_ERROR(read_exactly(0, {reinterpret_cast<std::byte*>(&header), sizeof(header)}));
  if (header.magic != Header::kMagic) return invalid_argument("not a package of taoism");
  if (header.format != Header::kFormat) {
    return invalid_argument("a package of format " + std::to_string(header.format) +
                            "; this build reads " + std::to_string(Header::kFormat) +
                            ": seal it anew with this one");
  }
  if (header.file_bytes != size) {
    return integrity_error("has " + std::to_string(size) + " bytes and was sealed with " +
                           std::to_string(header.file_bytes) + ": copy it anew");
  }
  if (header.manifest_bytes > kMaxManifestBytes || header.data_offset > size ||
      header.data_offset % kAlignment != 0 ||
      header.data_offset < sizeof(Header) + header.manifest_bytes) {
    return integrity_error("its header is damaged: copy it anew");
  }
  std::string text(header.manifest_bytes, '\0');
  TAOISM_RETURN_IF_ERROR(
      read_exactly(sizeof(header), {reinterpret_cast<std::byte*>(text.data()), text.size()}));
  TAOISM_ASSIGN_OR_RETURN(digest_, public_digest(header, text));
  TAOISM_ASSIGN_OR_RETURN(manifest_, read_manifest(text, size - header.data_offset));
  void* map = mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor_, 0);
  if (map == MAP_FAILED) return unavailable(std::string("cannot map: ") + std::strerror(errno));
  map_ = static_cast<const std::byte*>(map);
  header_ = header;
  return {};
}

bool is_package(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return false;
  std::array<char, 8> magic{};
  const ssize_t bytes = pread(file, magic.data(), magic.size(), 0);
  close(file);
  return bytes == static_cast<ssize_t>(magic.size()) && magic == Header::kMagic;
}

Result<crypto::Digest> public_digest(const Header& header, std::string_view manifest) {
  std::string all(reinterpret_cast<const char*>(&header), sizeof(header));
  all += manifest;
  return crypto::sha256({reinterpret_cast<const std::byte*>(all.data()), all.size()});
}

}  // namespace taoism::package
