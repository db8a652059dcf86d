#include "tee/process/private_image.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace taoism::tee {
namespace {

constexpr mode_t kExecuteAlone = 0111;
// Newer than some C libraries' headers.
constexpr unsigned kMfdExec = 0x10;
constexpr int kSealExec = 0x20;

class Mapping {
 public:
  Mapping(int fd, size_t bytes) : bytes_(bytes) {
    data_ = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (is_mapped()) munmap(data_, bytes_);
  }
  bool is_mapped() const { return data_ != MAP_FAILED; }
  bool equals(const Mapping& other) const {
    return bytes_ == other.bytes_ && std::memcmp(data_, other.data_, bytes_) == 0;
  }

 private:
  void* data_;
  size_t bytes_;
};

bool is_elf(int fd) {
  char magic[SELFMAG];
  return pread(fd, magic, SELFMAG, 0) == SELFMAG && std::memcmp(magic, ELFMAG, SELFMAG) == 0;
}

Descriptor make_memory_file() {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  Descriptor fd(memfd_create("taoism-enclave", kFlags | kMfdExec));
  // Before Linux 6.3 every memory file is executable.
  if (!fd.is_open() && errno == EINVAL) fd = Descriptor(memfd_create("taoism-enclave", kFlags));
  return fd;
}

bool copy_all(int from, int to, size_t bytes) {
  for (size_t left = bytes; left != 0;) {
    const ssize_t sent = sendfile(to, from, nullptr, left);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    left -= static_cast<size_t>(sent);
  }
  return true;
}

// On a busy machine the kernel may still hold pages of the file for itself when it is sealed; it
// waits for them, a fifth of a second, and then says EBUSY. A stranger's writable mapping stays.
bool seal_bytes(int fd) {
  constexpr int kFixed = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
  constexpr int kTries = 20;
  for (int i = 0; i < kTries; ++i) {
    if (fcntl(fd, F_ADD_SEALS, kFixed) == 0) return true;
    if (errno != EBUSY) return false;
    usleep(1000);
  }
  return false;
}

// From here on neither its bytes nor who may execute it can be changed, by anybody.
bool close_for_ever(int fd) {
  if (fchmod(fd, kExecuteAlone) != 0 || !seal_bytes(fd)) return false;
  (void)fcntl(fd, F_ADD_SEALS, kSealExec);  // Linux 6.3
  return fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) == 0;
}

}  // namespace

Result<Descriptor> make_private_image(const std::string& path) {
  const auto failed = [&] {
    return unavailable("a private copy of TEE image " + path + ": " + std::strerror(errno));
  };
  const Descriptor source(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status;
  if (!source.is_open() || fstat(source.get(), &status) != 0 || !is_elf(source.get())) {
    return Descriptor();
  }
  Descriptor copy = make_memory_file();
  if (!copy.is_open() && errno == EACCES) return Descriptor();
  const auto bytes = static_cast<size_t>(status.st_size);
  if (!copy.is_open() || !copy_all(source.get(), copy.get(), bytes) ||
      !close_for_ever(copy.get())) {
    return failed();
  }
  // Whoever could open the copy before it was closed may have written to it.
  const Mapping ours(copy.get(), bytes);
  const Mapping theirs(source.get(), bytes);
  if (!ours.is_mapped() || !theirs.is_mapped()) return failed();
  if (!ours.equals(theirs)) {
    return unavailable("a private copy of TEE image " + path +
                       " is not what was copied: run again; if it repeats, another process of " +
                       "this user changes it");
  }
  return copy;
}

}  // namespace taoism::tee
