#include "files/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace taoism::files {

Result<FileLock> FileLock::take(const std::string& path) {
  while (true) {
    FileLock lock(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    int error = lock.fd_ < 0 ? errno : 0;
    if (error == 0) {
      int locked = 0;
      do {
        locked = flock(lock.fd_, LOCK_EX);
      } while (locked != 0 && errno == EINTR);
      if (locked != 0) error = errno;
    }
    if (error != 0) {
      return Status(error == ENOENT ? Code::not_found : Code::invalid_argument,
                    path + ": cannot lock: " + std::strerror(error));
    }
    struct stat ours = {};
    struct stat named = {};
    if (fstat(lock.fd_, &ours) == 0 && stat(path.c_str(), &named) == 0 &&
        ours.st_ino == named.st_ino && ours.st_dev == named.st_dev) {
      return lock;
    }
  }
}

FileLock::~FileLock() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace taoism::files
