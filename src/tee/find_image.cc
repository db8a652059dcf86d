#include "tee/find_image.h"

#include <filesystem>
#include <system_error>
#include <vector>

#include <dlfcn.h>
#include <unistd.h>

namespace taoism::tee {
namespace {

namespace fs = std::filesystem;

bool is_readable_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error) && access(path.c_str(), R_OK) == 0;
}

std::vector<fs::path> search_directories() {
  std::vector<fs::path> bases;
  std::error_code error;
  if (fs::path program = fs::read_symlink("/proc/self/exe", error); !error) {
    bases.push_back(program.parent_path());
  }
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&find_image), &info) != 0 && info.dli_fname != nullptr) {
    if (fs::path library = fs::canonical(info.dli_fname, error); !error) {
      bases.push_back(library.parent_path());
    }
  }
  std::vector<fs::path> directories;
  for (const fs::path& base : bases) {
    for (const char* relative : {"", "../bin", "../lib/taoism", "../libexec/taoism"}) {
      directories.push_back((base / relative).lexically_normal());
    }
  }
  return directories;
}

}  // namespace

Result<std::string> find_image(const std::string& wanted, const std::string& name) {
  if (!wanted.empty()) {
    if (is_readable_file(wanted)) return wanted;
    return unavailable("TEE image " + wanted + ": no such readable file: build the target " +
                       "'programs' or give the path of " + name);
  }
  const std::vector<fs::path> directories = search_directories();
  for (const fs::path& directory : directories) {
    if (is_readable_file(directory / name)) return (directory / name).string();
  }
  return unavailable("TEE image " + name + " is not beside the program (" +
                     (directories.empty() ? std::string("?") : directories.front().string()) +
                     "): build the target 'programs', or reinstall");
}

}  // namespace taoism::tee
