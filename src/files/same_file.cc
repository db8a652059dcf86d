#include "files/same_file.h"

#include <sys/stat.h>

#include <filesystem>

namespace taoism::files {

bool is_same_file(const std::string& a, const std::string& b) {
  struct stat a_is = {}, b_is = {};
  const bool has_a = stat(a.c_str(), &a_is) == 0, has_b = stat(b.c_str(), &b_is) == 0;
  if (has_a && has_b) {
    return S_ISREG(a_is.st_mode) && a_is.st_dev == b_is.st_dev && a_is.st_ino == b_is.st_ino;
  }
  if (has_a || has_b) return false;
  std::error_code error;
  const auto canonical = [&error](const std::string& path) {
    std::filesystem::path full = std::filesystem::absolute(path, error);
    return error ? full : std::filesystem::weakly_canonical(full, error);
  };
  const std::filesystem::path a_path = canonical(a);
  if (error) return false;
  const std::filesystem::path b_path = canonical(b);
  return !error && a_path == b_path;
}

}  // namespace taoism::files
