#include "package/key_file.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/random.h"

namespace taoism::package {
namespace {

Status failed(const std::string& path, const char* what, int error) {
  const Code code = error == ENOENT   ? Code::not_found
                    : error == ENOSPC ? Code::resource_exhausted
                                      : Code::invalid_argument;
  return {code, "key file " + path + ": " + what + ": " + std::strerror(error)};
}

// Nothing is left behind when it fails.
Status write_new(const std::string& path, const store::PackageKey& key) {
  SecretBuffer text(store::kMaxKeyFileBytes);
  const size_t bytes = store::format_key(key, text.span().first<store::kMaxKeyFileBytes>());
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return failed(path, "cannot create", errno);
  const bool is_written =
      write(file, text.span().data(), bytes) == static_cast<ssize_t>(bytes) && fsync(file) == 0;
  const int error = is_written ? 0 : errno;
  close(file);
  if (is_written) return {};
  unlink(path.c_str());
  return failed(path, "cannot write", error);
}

}  // namespace

Result<store::PackageKey> read_key_file(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return failed(path, "cannot open", errno);
  struct stat status;
  SecretBuffer text(store::kMaxKeyFileBytes + 1);
  const bool is_file = fstat(file, &status) == 0 && S_ISREG(status.st_mode);
  const ssize_t bytes = is_file ? read(file, text.span().data(), text.span().size()) : 0;
  close(file);
  if (!is_file) return invalid_argument("key file " + path + ": not a file");
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return invalid_argument("key file " + path + ": others may read it: chmod 600 " + path);
  }
  const size_t size = bytes < 0 ? 0 : static_cast<size_t>(bytes);
  if (size > store::kMaxKeyFileBytes) return failed(path, "not a key file", EINVAL);
  Result<store::PackageKey> key = store::parse_key(text.span().first(size));
  if (!key.ok()) return key.status().annotate("key file " + path);
  return key;
}

Result<store::PackageKey> new_key() {
  store::PackageKey key;
  TAOISM_RETURN_IF_ERROR(crypto::random_bytes(key.secret.expose_secret()));
  return key;
}

Status create_key_file(const std::string& path, const store::PackageKey& key) {
  return write_new(path, key);
}

Status replace_key_file(const std::string& path, const store::PackageKey& key) {
  const std::string beside = path + ".new";
  TAOISM_RETURN_IF_ERROR(write_new(beside, key));
  if (rename(beside.c_str(), path.c_str()) == 0) return {};
  const int error = errno;
  unlink(beside.c_str());
  return failed(path, "cannot replace", error);
}

std::string default_key_path(const std::string& package_path) {
  constexpr std::string_view kEnding = ".tao";
  std::string path = package_path;
  if (path.ends_with(kEnding)) path.resize(path.size() - kEnding.size());
  return path + ".key";
}

}  // namespace taoism::package
