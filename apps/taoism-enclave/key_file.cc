#include "key_file.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace taoism::image {
namespace {

struct OpenFile {
  int fd;
  ~OpenFile() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

int KeyFile::read(const char* path) {
  if (path[0] == '\0') return 0;
  const OpenFile file{open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)};
  struct stat status;
  if (file.fd < 0 || fstat(file.fd, &status) != 0) return errno;
  if (!S_ISREG(status.st_mode)) return EINVAL;
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) return EACCES;
  if (status.st_uid != geteuid() && status.st_uid != 0) return EACCES;
  SecretBuffer text(store::kMaxKeyFileBytes + 1);
  const ssize_t bytes = ::read(file.fd, text.span().data(), text.span().size());
  if (bytes < 0) return errno;
  if (static_cast<size_t>(bytes) > store::kMaxKeyFileBytes) return EINVAL;
  auto key = store::parse_key(text.span().first(static_cast<size_t>(bytes)));
  if (key.code() == Code::unsupported) return EPROTONOSUPPORT;
  if (key.code() == Code::integrity) return EBADMSG;
  if (!key.ok()) return EINVAL;
  key_.emplace(std::move(*key));
  return 0;
}

}  // namespace taoism::image
