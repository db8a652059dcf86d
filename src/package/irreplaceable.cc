#include "package/irreplaceable.h"

#include <cctype>
#include <filesystem>
#include <fstream>
#include <span>
#include <vector>

#include "package/package_file.h"
#include "store/package_key.h"

namespace taoism::package {
namespace {

namespace fs = std::filesystem;

bool is_called_model(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension == ".onnx";
}

}  // namespace

const char* irreplaceable(const std::string& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error) || fs::file_size(path, error) == 0) return nullptr;
  if (is_package(path)) return "a package";
  std::vector<char> begin(store::kKeyBeginBytes);
  std::ifstream file(path, std::ios::binary);
  if (!file) return "a file that cannot be read";
  file.read(begin.data(), static_cast<std::streamsize>(begin.size()));
  const auto read = std::span(begin).first(static_cast<size_t>(file.gcount()));
  if (store::begins_as_key(std::as_bytes(read))) return "a key file";
  return is_called_model(path) || is_called_model(fs::canonical(path, error)) ? "a model" : nullptr;
}

}  // namespace taoism::package
