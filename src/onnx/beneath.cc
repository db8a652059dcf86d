#include "onnx/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/text.h"

namespace taoism::onnx {
namespace {

namespace fs = std::filesystem;

// Without O_NONBLOCK, a named pipe in the file's place would block for ever.
constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// -1 and errno. `relative` has no links left.
int open_by_kernel(int folder, const std::string& relative) {
  open_how how = {};
  how.flags = static_cast<uint64_t>(kFlags);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (int tries = 0;; ++tries) {
    const long fd = ::syscall(SYS_openat2, folder, relative.c_str(), &how, sizeof(how));
    // EAGAIN: something was renamed meanwhile.
    if (fd >= 0 || (errno != EINTR && errno != EAGAIN) || tries == 100) return static_cast<int>(fd);
  }
}

int open_by_walk(int folder, const std::string& relative) {
  Descriptor at(::fcntl(folder, F_DUPFD_CLOEXEC, 0));
  const fs::path path(relative);
  if (path.is_absolute()) return errno = EXDEV, -1;
  for (auto part = path.begin(); at.get() >= 0; ++part) {
    if (*part == "..") return errno = EXDEV, -1;
    if (std::next(part) == path.end()) {
      return ::openat(at.get(), part->c_str(), kFlags | O_NOFOLLOW);
    }
    at = Descriptor(
        ::openat(at.get(), part->c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  }
  return -1;
}

bool lacks_openat2(int error) { return error == ENOSYS || error == EPERM; }

Status outside(const std::string& location) {
  return invalid_argument("'" + printable(location) + "' is outside the model's folder");
}

}  // namespace

Result<SourceFile> open_beneath(const std::string& folder, const std::string& relative,
                                Confinement confinement) {
  const Descriptor root(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (root.get() < 0) return not_found("'" + printable(folder) + "' is not a folder");
  int fd = -1;
  if (confinement == Confinement::kernel) fd = open_by_kernel(root.get(), relative);
  if (confinement == Confinement::walk || (fd < 0 && lacks_openat2(errno))) {
    fd = open_by_walk(root.get(), relative);
  }
  if (fd < 0 && (errno == ELOOP || errno == EXDEV)) return outside(relative);
  const std::string path = (fs::path(folder) / relative).string();
  return SourceFile::of_descriptor(fd, path);
}

Result<SourceFile> open_beside(const std::string& named_by, const std::string& location) {
  const fs::path relative(location);
  bool is_beneath =
      !location.empty() && relative.is_relative() && location.find('\0') == std::string::npos;
  for (const fs::path& part : relative) is_beneath = is_beneath && part != "..";
  if (!is_beneath) return outside(location);
  // Where links lead now. The opening then follows none, so that one made since leads nowhere.
  std::error_code error;
  const fs::path from = fs::absolute(named_by, error);
  const fs::path target = fs::weakly_canonical(from.parent_path() / relative, error);
  if (error) return invalid_argument("'" + printable(location) + "': " + error.message());
  const fs::path folders[] = {fs::canonical(from.parent_path(), error),
                              fs::canonical(from, error).parent_path()};
  for (const fs::path& folder : folders) {
    const fs::path inside = target.lexically_relative(folder);
    if (folder.empty() || inside.empty() || *inside.begin() == ".." || inside == ".") continue;
    return open_beneath(folder.string(), inside.string(), Confinement::kernel);
  }
  return outside(location);
}

}  // namespace taoism::onnx
