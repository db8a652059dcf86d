#include "device/torch/load_module.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

namespace taoism::device {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFile = "libtaoism-torch.so";
constexpr const char* kVariable = "TAOISM_TORCH_DEVICE";
constexpr const char* kBuild = "'tools/build torch-device --torch PYTHON'";

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
  if (dladdr(reinterpret_cast<const void*>(&load_torch_module), &info) != 0 &&
      info.dli_fname != nullptr) {
    if (fs::path library = fs::canonical(info.dli_fname, error); !error) {
      bases.push_back(library.parent_path());
    }
  }
  std::vector<fs::path> directories;
  for (const fs::path& base : bases) {
    for (const char* relative : {"", "../bin", "../lib/taoism"}) {
      directories.push_back((base / relative).lexically_normal());
    }
  }
  return directories;
}

Result<std::string> find_module(const std::string& given) {
  const char* variable = std::getenv(kVariable);
  const std::string wanted = !given.empty() ? given : variable != nullptr ? variable : "";
  if (!wanted.empty()) {
    if (is_readable_file(wanted)) return wanted;
    return unavailable("torch device: " + wanted + " is no readable file: build it with " + kBuild +
                       " and give the path of " + kFile + " in " + kVariable);
  }
  const std::vector<fs::path> directories = search_directories();
  for (const fs::path& directory : directories) {
    if (is_readable_file(directory / kFile)) return (directory / kFile).string();
  }
  return unavailable(std::string("torch device: ") + kFile + " is not beside the program (" +
                     (directories.empty() ? std::string("?") : directories.front().string()) +
                     "): build it with " + kBuild + ", or give its path in " + kVariable);
}

// The loader's message, in one line.
std::string loader_error() {
  const char* text = dlerror();
  std::string line = text != nullptr ? text : "unknown error";
  for (char& c : line) {
    if (c == '\n') c = ' ';
  }
  return line;
}

}  // namespace

Result<const torch_abi::Module*> load_torch_module(const std::string& given) {
  TAOISM_ASSIGN_OR_RETURN(const std::string path, find_module(given));
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) {
    return unavailable("torch device: cannot load " + path + ": " + loader_error() +
                       ": PyTorch was moved or is another one than it was built against; build "
                       "again with " +
                       kBuild + ", or put its torch/lib into LD_LIBRARY_PATH");
  }
  const auto entry =
      reinterpret_cast<torch_abi::EntryFunction>(dlsym(library, torch_abi::kEntrySymbol));
  if (entry == nullptr) {
    return unavailable("torch device: " + path + " is no torch module of taoism; build it with " +
                       kBuild);
  }
  const torch_abi::Module* module = entry();
  if (module == nullptr || module->abi != torch_abi::kAbi) {
    return unavailable("torch device: " + path + " has version " +
                       (module == nullptr ? "?" : std::to_string(module->abi)) +
                       " of the module's interface and this program version " +
                       std::to_string(torch_abi::kAbi) + ": build both from one tree, with " +
                       kBuild);
  }
  return module;
}

}  // namespace taoism::device
