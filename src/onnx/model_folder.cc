#include "onnx/model_folder.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>

#include "base/text.h"
#include "store/package_key.h"

namespace taoism::onnx {
namespace {

namespace fs = std::filesystem;
using files::Descriptor;

// Without O_NONBLOCK, a named pipe in the file's place would block for ever.
constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

// A name in a folder that is held open.
struct Place {
  Descriptor folder;
  std::string name;

  int open(int more_flags) const {
    if (folder.get() < 0) return -1;  // errno says why
    return ::openat(folder.get(), name.c_str(), kFlags | more_flags);
  }
};

// `path`, relative to the folder `from`. Without a folder, which errno explains, when it cannot be
// had.
Place find(int from, const std::string& path) {
  const size_t name = path.rfind('/') + 1;
  const std::string folder = name == 0 ? "." : path.substr(0, name);
  return {Descriptor(::openat(from, folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)),
          name == path.size() ? "." : path.substr(name)};
}

// Where a link, and the links that it leads to, end. Without a folder when that cannot be told.
Place follow(const Place& link) {
  constexpr int kMostLinks = 40;  // as many as the kernel follows
  Place place{Descriptor(::fcntl(link.folder.get(), F_DUPFD_CLOEXEC, 0)), link.name};
  for (int links = 0; links < kMostLinks; ++links) {
    std::array<char, PATH_MAX> target;
    const ssize_t bytes =
        ::readlinkat(place.folder.get(), place.name.c_str(), target.data(), target.size());
    if (bytes < 0) return place;
    place = find(place.folder.get(), std::string(target.data(), static_cast<size_t>(bytes)));
    if (place.folder.get() < 0) return place;
  }
  return {Descriptor(), ""};
}

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

bool is_link(int fd) {
  struct stat status = {};
  return ::fstat(fd, &status) == 0 && S_ISLNK(status.st_mode);
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
    at = Descriptor(::openat(at.get(), part->c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (at.get() >= 0 && is_link(at.get())) return errno = ELOOP, -1;
  }
  return -1;
}

// An older kernel has no openat2, and a filter of system calls may forbid it in several ways. What
// the walk is forbidden too, it says.
bool lacks_openat2(int error) { return error == ENOSYS || error == EPERM || error == EACCES; }

// Whether `location` names something in a folder, as far as its text goes.
bool names_beneath(const std::string& location) {
  const fs::path path(location);
  bool is_beneath =
      !location.empty() && path.is_relative() && location.find('\0') == std::string::npos;
  for (const fs::path& part : path) is_beneath = is_beneath && part != "..";
  return is_beneath;
}

Status led_outside(const std::string& location) {
  return invalid_argument("'" + printable(location) +
                          "' leads by a link outside the model's folder: put the file itself in "
                          "the link's place");
}

// A file of weights, `opened` or, with errno, -1. What is read as a public weight is published when
// the model is sealed, and a model is often a stranger's.
Result<SourceFile> weights_of(int opened, const fs::path& path, const std::string& location) {
  TAOISM_ASSIGN_OR_RETURN(SourceFile file,
                          SourceFile::of_descriptor(Descriptor(opened), path.string()));
  SecretBytes<store::kKeyBeginBytes> begin;
  const ByteSpan read =
      begin.expose_secret().first(std::min<uint64_t>(file.size(), store::kKeyBeginBytes));
  TAOISM_RETURN_IF_ERROR(file.read(0, read));
  if (!store::begins_as_key(read)) return file;
  return invalid_argument("'" + printable(location) +
                          "' is a key file, no weights, and would be given away: do not use this "
                          "model, or keep it in a folder without keys");
}

}  // namespace

int open_beneath(int folder, const std::string& relative, Confinement confinement) {
  if (confinement == Confinement::kernel) {
    const int fd = open_by_kernel(folder, relative);
    if (fd >= 0 || !lacks_openat2(errno)) return fd;
  }
  return open_by_walk(folder, relative);
}

Result<ModelFolder> ModelFolder::of(const std::string& path) {
  Place place = find(AT_FDCWD, path);
  const int fd = place.open(O_NOFOLLOW);
  const bool is_link = fd < 0 && errno == ELOOP;
  if (!is_link) {
    TAOISM_ASSIGN_OR_RETURN(SourceFile model, SourceFile::of_descriptor(Descriptor(fd), path));
    return ModelFolder(path, std::move(model), std::move(place.folder), Descriptor());
  }
  TAOISM_ASSIGN_OR_RETURN(SourceFile named,
                          SourceFile::of_descriptor(Descriptor(place.open(0)), path));
  // The file is opened where its link ends: so are its data. /proc has links to what has no place.
  Place real = follow(place);
  Result<SourceFile> model = SourceFile::of_descriptor(Descriptor(real.open(O_NOFOLLOW)), path);
  if (!model.ok() || !model->is_same_file(named)) {
    return ModelFolder(path, std::move(named), std::move(place.folder), Descriptor());
  }
  return ModelFolder(path, std::move(*model), std::move(place.folder), std::move(real.folder));
}

Result<SourceFile> ModelFolder::open(const std::string& location) const {
  if (!names_beneath(location)) {
    return invalid_argument(
        "'" + printable(location) +
        "' is outside the model's folder: put the file in that folder, and save "
        "the model with its name there");
  }
  std::error_code error;
  const fs::path from = fs::absolute(path_, error);
  const fs::path named = from.parent_path() / location;
  const int fd = open_beneath(folder_.get(), location, Confinement::kernel);
  if (fd >= 0 || errno != ELOOP) return weights_of(fd, named, location);
  // Where links lead now, by name; what is opened is beneath the same folder and no link again.
  const fs::path target = fs::weakly_canonical(named, error);
  if (error) return invalid_argument("'" + printable(location) + "': " + error.message());
  const std::pair<fs::path, int> folders[] = {
      {fs::canonical(from.parent_path(), error), folder_.get()},
      {fs::canonical(from, error).parent_path(), real_folder_.get()}};
  for (const auto& [folder, opened] : folders) {
    const fs::path inside = target.lexically_relative(folder);
    if (opened < 0 || folder.empty() || !names_beneath(inside.string()) || inside == ".") continue;
    const int linked = open_beneath(opened, inside.string(), Confinement::kernel);
    if (linked < 0 && (errno == ELOOP || errno == EXDEV)) break;
    return weights_of(linked, target, location);
  }
  return led_outside(location);
}

}  // namespace taoism::onnx
