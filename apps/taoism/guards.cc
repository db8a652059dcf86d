#include "guards.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "files/same_file.h"
#include "package/key_file.h"

namespace taoism::cli {
namespace {

constexpr std::array kWrites = {"--output", "--json", "--jsonl", "--csv", "--md"};
constexpr std::array kReads = {"model",    "models",      "file",    "package", "before",
                               "after",    "--input",     "--plan",  "--key",   "--owner",
                               "--labels", "--reference", "--trust", "--revoke"};

bool is_one_of(const std::string& name, const auto& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

struct NamedFile {
  std::string flag;
  std::string path;
};

std::optional<struct stat> stat_of(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return std::nullopt;
  return info;
}

// "NAME=path" is that path, unless a file is called so.
std::string path_of(const std::string& flag, const std::string& text) {
  const size_t equals = text.find('=');
  const bool may_be_named = flag == "--input" || flag == "--output";
  if (!may_be_named || equals == std::string::npos || stat_of(text)) return text;
  return text.substr(equals + 1);
}

Status check_numbers(const CLI::Option& option, const std::string& name) {
  if (!option.get_type_name().starts_with("FLOAT")) return {};
  for (const std::string& text : option.results()) {
    if (std::isfinite(std::strtod(text.c_str(), nullptr))) continue;
    return invalid_argument(name + " " + text + ": give a finite number");
  }
  return {};
}

Status check_pipe(const NamedFile& file) {
  const std::optional<struct stat> info = stat_of(file.path);
  const std::string_view path = file.path;
  if (!info || !S_ISFIFO(info->st_mode) || path == "/dev/stdin" || path.starts_with("/dev/fd/") ||
      path.starts_with("/proc/self/fd/")) {
    return {};
  }
  return invalid_argument(file.flag + " " + file.path +
                          ": a named pipe, no regular file; write its content to a file");
}

Status check_writes(const std::vector<NamedFile>& reads, const std::vector<NamedFile>& writes) {
  for (size_t i = 0; i < writes.size(); ++i) {
    const NamedFile& written = writes[i];
    for (const NamedFile& read : reads) {
      if (!files::is_same_file(written.path, read.path)) continue;
      return invalid_argument(written.flag + " " + written.path + ": would overwrite " + read.path +
                              ", which the command reads (" + read.flag +
                              "); give each a file of its own");
    }
    for (size_t j = 0; j < i; ++j) {
      if (!files::is_same_file(written.path, writes[j].path)) continue;
      return invalid_argument(written.flag + " " + written.path + ": the same file as " +
                              writes[j].flag + " " + writes[j].path +
                              "; give each a file of its own");
    }
  }
  return {};
}

}  // namespace

Status check_flags(const CLI::App& app) {
  std::vector<NamedFile> reads, writes;
  std::vector<std::string> models;
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() == 0 || option->get_items_expected_max() == 0) continue;
    // Of "-o,--output" the long one, of a positional its name.
    const std::string name =
        option->get_lnames().empty() ? option->get_name() : "--" + option->get_lnames().front();
    TAOISM_RETURN_IF_ERROR(check_numbers(*option, name));
    const bool is_read = is_one_of(name, kReads);
    if (!is_read && !is_one_of(name, kWrites)) continue;
    for (const std::string& text : option->results()) {
      (is_read ? reads : writes).push_back({name, path_of(name, text)});
      if (name == "model" || name == "models") models.push_back(text);
    }
  }
  for (const NamedFile& file : reads) TAOISM_RETURN_IF_ERROR(check_pipe(file));
  // The key that is beside a package is read without a flag.
  const CLI::Option* key = app.get_option_no_throw("--key");
  for (const std::string& model : models) {
    if (key == nullptr || key->count() > 0) break;
    reads.push_back({"--key", package::default_key_path(model)});
  }
  TAOISM_RETURN_IF_ERROR(check_writes(reads, writes));
  for (const CLI::App* sub : app.get_subcommands()) TAOISM_RETURN_IF_ERROR(check_flags(*sub));
  return {};
}

}  // namespace taoism::cli
