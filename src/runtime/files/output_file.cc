#include "runtime/files/output_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace taoism::files {
namespace {

std::string folder_of(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

mode_t default_mode() {
  mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

}  // namespace

Status OutputFile::failure(const char* what, int error) const {
  std::string text = path_ + ": " + what + ": " + std::strerror(error);
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return resource_exhausted(text + "; free some space or write elsewhere");
    case ENOENT:
    case ENOTDIR: return not_found(text + "; create the folder first");
    case EISDIR: return invalid_argument(text + "; name a file");
    default: return invalid_argument(text + "; check the path and its permissions");
  }
}

Result<OutputFile> OutputFile::create(const std::string& path) {
  OutputFile file;
  file.path_ = path;
  file.folder_ = folder_of(path);
  if (path.empty()) return file.failure("cannot create", ENOENT);
  struct stat st = {};
  bool exists = stat(path.c_str(), &st) == 0;
  if ((exists && S_ISDIR(st.st_mode)) || path.back() == '/') {
    return file.failure("cannot create", EISDIR);
  }
  if (exists && !S_ISREG(st.st_mode)) {
    file.direct_ = true;
    file.fd_ = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (file.fd_ < 0) return file.failure("cannot open", errno);
    return file;
  }
  file.fd_ = open(file.folder_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file.fd_ < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    std::string pattern = path + ".tmp.XXXXXX";
    std::vector<char> name(pattern.c_str(), pattern.c_str() + pattern.size() + 1);
    file.fd_ = mkostemp(name.data(), O_CLOEXEC);
    if (file.fd_ >= 0) file.temporary_ = name.data();
  }
  if (file.fd_ < 0) return file.failure("cannot create", errno);
  (void)fchmod(file.fd_, exists ? st.st_mode & 0777 : default_mode());
  return file;
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void OutputFile::swap(OutputFile& other) noexcept {
  path_.swap(other.path_);
  folder_.swap(other.folder_);
  temporary_.swap(other.temporary_);
  std::swap(fd_, other.fd_);
  std::swap(direct_, other.direct_);
}

Status OutputFile::append(ConstByteSpan bytes) {
  while (!bytes.empty()) {
    ssize_t n = write(fd_, bytes.data(), bytes.size());
    if (n < 0) {
      if (errno == EINTR) continue;
      return failure("cannot write", errno);
    }
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

Status OutputFile::append(std::string_view text) {
  return append(ConstByteSpan(reinterpret_cast<const std::byte*>(text.data()), text.size()));
}

Status OutputFile::commit() {
  if (!direct_ && temporary_.empty()) {
    // linkat cannot replace: the file takes a temporary name for the moment before the rename.
    std::string from = "/proc/self/fd/" + std::to_string(fd_);
    for (int attempt = 0; temporary_.empty(); ++attempt) {
      std::string name = path_ + ".tmp." + std::to_string(getpid()) + "." + std::to_string(attempt);
      if (linkat(AT_FDCWD, from.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) {
        temporary_ = name;
      } else if (errno != EEXIST || attempt == 100) {
        return failure("cannot name the file", errno);
      }
    }
  }
  if (close(std::exchange(fd_, -1)) != 0) return failure("cannot write", errno);
  if (direct_) return {};
  if (rename(temporary_.c_str(), path_.c_str()) != 0) return failure("cannot rename to", errno);
  temporary_.clear();
  return {};
}

Status write_file(const std::string& path, std::string_view text) {
  TAOISM_ASSIGN_OR_RETURN(OutputFile file, OutputFile::create(path));
  TAOISM_RETURN_IF_ERROR(file.append(text));
  return file.commit();
}

}  // namespace taoism::files
