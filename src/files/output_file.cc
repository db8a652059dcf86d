#include "files/output_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "base/text.h"

namespace taoism::files {
namespace {

constexpr int kAttempts = 16;
constexpr size_t kMostNameBytes = 200;  // of the 255 that a file system takes

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// What the names of temporaries for `path` begin with, in its folder.
std::string temporary_prefix(const std::string& path) {
  return "." + path.substr(path.rfind('/') + 1).substr(0, kMostNameBytes) + ".tmp.";
}

Result<std::string> temporary_name(const std::string& folder, const std::string& path) {
  std::array<std::byte, 8> random;
  if (getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    return internal_error("the system gives no random numbers");
  }
  return folder + "/" + temporary_prefix(path) + hex(random);
}

// Whoever makes a temporary holds a lock on it until it has its name: what nobody holds was left.
void remove_left(const std::string& folder, const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(opendir(folder.c_str()), closedir);
  if (entries == nullptr) return;
  const std::string prefix = temporary_prefix(path);
  while (const dirent* entry = readdir(entries.get())) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(prefix) || name.size() != prefix.size() + 16) continue;
    const int fd =
        openat(dirfd(entries.get()), entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) continue;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) unlinkat(dirfd(entries.get()), entry->d_name, 0);
    close(fd);
  }
}

}  // namespace

Status OutputFile::failure(const char* what, int error) const {
  const std::string text = path_ + ": " + what + ": " + std::strerror(error);
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

Result<OutputFile> OutputFile::create(const std::string& path, Access access) {
  OutputFile file;
  file.path_ = path;
  file.folder_ = folder_of(path);
  if (path.empty()) return file.failure("cannot create", ENOENT);
  struct stat older = {};
  const bool exists = stat(path.c_str(), &older) == 0;
  if ((exists && S_ISDIR(older.st_mode)) || path.back() == '/') {
    return file.failure("cannot create", EISDIR);
  }
  if (exists && !S_ISREG(older.st_mode)) {
    file.direct_ = true;
    file.fd_ = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (file.fd_ < 0) return file.failure("cannot open", errno);
    return file;
  }
  TAOISM_RETURN_IF_ERROR(file.open_unnamed(access));
  if (exists && access == Access::usual) (void)fchmod(file.fd_, older.st_mode & 0777);
  return file;
}

// Locked, so that whoever finds it under a temporary name knows that it is in use.
Status OutputFile::open_unnamed(Access access) {
  const mode_t mode = access == Access::owner_only ? 0600 : 0666;
  fd_ = open(folder_.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
  const bool has_none = fd_ < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL);
  for (int attempt = 0; fd_ < 0 && has_none && attempt < kAttempts; ++attempt) {
    TAOISM_ASSIGN_OR_RETURN(const std::string name, temporary_name(folder_, path_));
    fd_ = open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd_ >= 0) temporary_ = name;
    if (fd_ < 0 && errno != EEXIST) break;
  }
  if (fd_ < 0) return failure("cannot create", errno);
  (void)flock(fd_, LOCK_EX | LOCK_NB);
  return {};
}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) unlink(temporary_.c_str());
  if (fd_ >= 0) close(fd_);
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
    const ssize_t n = write(fd_, bytes.data(), bytes.size());
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

Status OutputFile::overwrite(uint64_t offset, ConstByteSpan bytes) {
  while (!bytes.empty()) {
    const ssize_t n = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      return failure("cannot write", errno);
    }
    offset += static_cast<uint64_t>(n);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return {};
}

Status OutputFile::sync() {
  if (direct_ || fsync(fd_) == 0) return {};
  return failure("cannot write", errno);
}

// Gives the unnamed file a name.
Status OutputFile::link_as(const std::string& name, bool& exists) const {
  const std::string from = "/proc/self/fd/" + std::to_string(fd_);
  exists = false;
  if (linkat(AT_FDCWD, from.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) return {};
  exists = errno == EEXIST;
  return failure("cannot name the file", errno);
}

// A name cannot be replaced by linkat: the file takes a temporary one for the moment before.
Status OutputFile::replace() {
  remove_left(folder_, path_);
  for (int attempt = 0; temporary_.empty(); ++attempt) {
    TAOISM_ASSIGN_OR_RETURN(const std::string name, temporary_name(folder_, path_));
    bool exists = false;
    const Status named = link_as(name, exists);
    if (named.ok()) temporary_ = name;
    if (!named.ok() && (!exists || attempt == kAttempts)) return named;
  }
  if (rename(temporary_.c_str(), path_.c_str()) != 0) return failure("cannot rename to", errno);
  temporary_.clear();
  return {};
}

Status OutputFile::commit() {
  TAOISM_RETURN_IF_ERROR(sync());
  if (direct_) return finish();
  bool exists = true;
  if (temporary_.empty()) {
    const Status named = link_as(path_, exists);
    if (!named.ok() && !exists) return named;
  }
  if (exists) TAOISM_RETURN_IF_ERROR(replace());
  return finish();
}

// In one step where the file system has such: for a moment the other way has two names.
Status OutputFile::rename_new() const {
  const char* const from = temporary_.c_str();
  if (renameat2(AT_FDCWD, from, AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno != EINVAL && errno != ENOSYS && errno != EPERM) {
    return failure("cannot create", errno);
  }
  if (link(from, path_.c_str()) != 0) return failure("cannot create", errno);
  unlink(from);
  return {};
}

Status OutputFile::commit_new() {
  TAOISM_RETURN_IF_ERROR(sync());
  if (direct_) return failure("cannot create", EEXIST);
  bool exists = false;
  if (temporary_.empty()) {
    TAOISM_RETURN_IF_ERROR(link_as(path_, exists));
  } else {
    TAOISM_RETURN_IF_ERROR(rename_new());
    temporary_.clear();
  }
  return finish();
}

// The name is put on disk as well.
Status OutputFile::finish() {
  if (close(std::exchange(fd_, -1)) != 0) return failure("cannot write", errno);
  if (direct_) return {};
  const int folder = open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return errno == EACCES ? Status() : failure("cannot open its folder", errno);
  const int error = fsync(folder) == 0 ? 0 : errno;
  close(folder);
  // A file system that has nothing to do for a folder says EINVAL.
  if (error != 0 && error != EINVAL) return failure("cannot put its folder on disk", error);
  return {};
}

Status write_file(const std::string& path, std::string_view text, Access access) {
  TAOISM_ASSIGN_OR_RETURN(OutputFile file, OutputFile::create(path, access));
  TAOISM_RETURN_IF_ERROR(file.append(text));
  return file.commit();
}

}  // namespace taoism::files
