#include "files/private_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "files/descriptor.h"

namespace taoism::files {
namespace {

constexpr int kMostLinks = 40;  // as Linux

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

// A folder on the way to `path`, or a link to one.
Status check_step(const std::string& path, const std::string& step, bool is_link) {
  struct stat status = {};
  if (lstat(step.c_str(), &status) != 0) return failed(step, errno);
  if (!is_ours(status)) {
    return invalid_argument(path + ": its folder " + step +
                            " belongs to another user, who may replace it: keep it in one of "
                            "yours");
  }
  if (is_link) return S_ISLNK(status.st_mode) ? Status() : failed(step, ENOTDIR);
  if (!S_ISDIR(status.st_mode)) return failed(step, ENOTDIR);
  // In a folder with the sticky bit, as /tmp, only its user can replace what is another's.
  if ((status.st_mode & S_ISVTX) != 0) return {};
  if ((status.st_mode & S_IWOTH) != 0) {
    return invalid_argument(path + ": anybody may replace it, for anybody may write in " + step +
                            ": chmod o-w " + step);
  }
  // Whom a group has is not to be known; where there is an access list, these bits are the most
  // that it gives to any.
  if ((status.st_mode & S_IWGRP) != 0) {
    return invalid_argument(path + ": others may replace it, for a group may write in " + step +
                            ": chmod g-w " + step);
  }
  return {};
}

}  // namespace

Status check_private_folder(const std::string& path) {
  std::string left = folder_of(path);
  if (!left.starts_with('/')) {
    std::error_code error;
    left = std::filesystem::current_path(error).string() + "/" + left;
    if (error) return failed(path, error.value());
  }
  // Name by name, for who may replace a link on the way leads elsewhere too.
  std::string folder = "/";
  TAOISM_RETURN_IF_ERROR(check_step(path, folder, false));
  for (int links = 0; !left.empty();) {
    const size_t end = std::min(left.find('/'), left.size());
    const std::string name = left.substr(0, end);
    left.erase(0, std::min(end + 1, left.size()));
    if (name.empty() || name == ".") continue;
    if (name == "..") {
      folder = folder_of(folder);
      continue;
    }
    const std::string next = (folder == "/" ? "" : folder) + "/" + name;
    std::error_code error;
    const std::string target = std::filesystem::read_symlink(next, error).string();
    TAOISM_RETURN_IF_ERROR(check_step(path, next, !error));
    if (error) {
      folder = next;
      continue;
    }
    if (++links > kMostLinks) return failed(next, ELOOP);
    if (target.starts_with('/')) folder = "/";
    left = target + "/" + left;
  }
  return {};
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
  return read_to_end(path, file.get(), to);
}

Status check_one_name(const std::string& path) {
  struct stat status = {};
  if (lstat(path.c_str(), &status) != 0) return failed(path, errno);
  if (status.st_nlink <= 1) return {};
  return invalid_argument(path + ": has " + std::to_string(status.st_nlink) +
                          " names (hard links), and the others would keep what it says now: remove "
                          "them (find / -samefile " +
                          path + " lists them)");
}

Result<size_t> read_to_end(const std::string& path, int file, ByteSpan to) {
  const size_t most = to.size();
  std::byte more;
  while (true) {
    const ByteSpan into = to.empty() ? ByteSpan(&more, 1) : to;
    const ssize_t got = read(file, into.data(), into.size());
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
