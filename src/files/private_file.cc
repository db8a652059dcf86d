#include "files/private_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "files/descriptor.h"

namespace taoism::files {
namespace {

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status failed(const std::string& path, int error) {
  return {error == ENOENT || error == ENOTDIR ? Code::not_found : Code::invalid_argument,
          path + ": " + std::strerror(error)};
}

bool is_ours(const struct stat& status) { return status.st_uid == geteuid() || status.st_uid == 0; }

Status a_link(const std::string& path) {
  return invalid_argument(path + ": a link: name the file itself");
}

// Of the file that is open, whatever its name leads to meanwhile.
Status check_ours(const std::string& path, const Descriptor& file) {
  struct stat status = {};
  if (fstat(file.get(), &status) != 0) return failed(path, errno);
  if (S_ISLNK(status.st_mode)) return a_link(path);
  if (!S_ISREG(status.st_mode)) return invalid_argument(path + ": not a file");
  if (!is_ours(status)) {
    return invalid_argument(path + ": belongs to another user: copy it, or chown it");
  }
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return invalid_argument(path + ": others may read it: chmod 600 " + path);
  }
  return {};
}

}  // namespace

Status check_private_folder(const std::string& path) {
  const std::string named = folder_of(path);
  const std::unique_ptr<char, void (*)(void*)> resolved(realpath(named.c_str(), nullptr), free);
  if (resolved == nullptr) return failed(named, errno);
  std::string folder = resolved.get();
  for (bool is_parent = true;; is_parent = false) {
    struct stat status = {};
    if (stat(folder.c_str(), &status) != 0) return failed(folder, errno);
    // In a folder with the sticky bit, as /tmp, nobody can replace what is another's.
    if ((status.st_mode & S_IWOTH) != 0 && (status.st_mode & S_ISVTX) == 0) {
      return invalid_argument(path + ": anybody may replace it, for anybody may write in " +
                              folder + ": chmod o-w " + folder);
    }
    if (is_parent && !is_ours(status)) {
      return invalid_argument(path + ": its folder " + folder +
                              " belongs to another user, who may replace it: keep it in one of "
                              "yours");
    }
    if (folder == "/") return {};
    folder = folder_of(folder);
  }
}

Status check_private_file(const std::string& path) {
  const Descriptor named(open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!named.is_open()) return failed(path, errno);
  TAOISM_RETURN_IF_ERROR(check_ours(path, named));
  return check_private_folder(path);
}

Result<size_t> read_private_file(const std::string& path, ByteSpan to) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open()) return errno == ELOOP ? a_link(path) : failed(path, errno);
  TAOISM_RETURN_IF_ERROR(check_ours(path, file));
  TAOISM_RETURN_IF_ERROR(check_private_folder(path));
  const size_t most = to.size();
  std::byte more;
  while (true) {
    const ByteSpan into = to.empty() ? ByteSpan(&more, 1) : to;
    const ssize_t got = read(file.get(), into.data(), into.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(path, errno);
    if (got == 0) return most - to.size();
    if (to.empty()) {
      return invalid_argument(path + ": has more than " + std::to_string(most) +
                              " bytes, which no key has");
    }
    to = to.subspan(static_cast<size_t>(got));
  }
}

}  // namespace taoism::files
