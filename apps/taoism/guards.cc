#include "guards.h"

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "files/same_file.h"
#include "flags.h"
#include "onnx/external_files.h"
#include "package/irreplaceable.h"
#include "package/key_file.h"
#include "package/package_file.h"

namespace taoism::cli {
namespace {

struct NamedFile {
  std::string flag;
  std::string path;
  size_t text = 0;        // of which text of the flags: two readings of one are no two files
  std::string_view type;  // of flags.h, without kNamed
  std::string what;       // of what is read, for a message
};

struct NamedFiles {
  std::vector<NamedFile> reads, writes;
};

std::optional<struct stat> stat_of(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return std::nullopt;
  return info;
}

// Whether "a=b" is the file b for the name a, or a file called so, only the model's names tell,
// which are not known here: both.
std::vector<std::string> paths_of(const std::string& text, bool may_be_named) {
  std::vector<std::string> paths = {text};
  for (size_t at = text.find('='); may_be_named && at != std::string::npos;
       at = text.find('=', at + 1)) {
    paths.push_back(text.substr(at + 1));
  }
  return paths;
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
                              ", which " + read.what + "; give each a file of its own");
    }
    for (size_t j = 0; j < i; ++j) {
      if (written.text == writes[j].text) continue;
      if (!files::is_same_file(written.path, writes[j].path)) continue;
      return invalid_argument(written.flag + " " + written.path + ": the same file as " +
                              writes[j].flag + " " + writes[j].path +
                              "; give each a file of its own");
    }
  }
  return {};
}

Status check_kept(const NamedFile& written) {
  if (written.path == "-") {
    return invalid_argument(written.flag +
                            " -: results go to files, not to the standard output; "
                            "give a path (./- for a file called so)");
  }
  if (written.type == kNewPackage) return {};
  const char* const found = package::irreplaceable(written.path);
  const std::string_view what = found != nullptr ? found : "";
  if (what.empty() || (written.type == kNewModel && what == "a model")) return {};
  return invalid_argument(written.flag + " " + written.path + ": is " + std::string(what) +
                          ", which would be lost; write elsewhere, or move it away");
}

// Of "-o,--output" the long one, of a positional its name.
std::string name_of(const CLI::Option& option) {
  return option.get_lnames().empty() ? option.get_name() : "--" + option.get_lnames().front();
}

// That of flags.h; empty: none.
std::string_view known_type(std::string_view type) {
  for (const std::string_view known : {kFile, kModel, kNewFile, kNewPackage, kNewModel}) {
    if (type == known) return known;
  }
  return {};
}

NamedFiles files_of(const std::vector<const CLI::Option*>& given) {
  NamedFiles files;
  size_t text_index = 0;
  for (const CLI::Option* option : given) {
    const std::string type_name = option->get_type_name();
    // Behind a colon stands what a validator says.
    std::string_view type = std::string_view(type_name).substr(0, type_name.find(':'));
    const bool may_be_named = type.starts_with(kNamed);
    if (may_be_named) type.remove_prefix(kNamed.size());
    const std::string name = name_of(*option);
    for (const std::string& text : option->results()) {
      ++text_index;
      for (std::string& path : paths_of(text, may_be_named)) {
        NamedFile file{name, std::move(path), text_index, known_type(type), ""};
        if (file.type == kFile || file.type == kModel) {
          file.what = "the command reads (" + name + ")";
          files.reads.push_back(std::move(file));
        } else if (!file.type.empty()) {
          files.writes.push_back(std::move(file));
        }
      }
    }
  }
  return files;
}

// The key that is beside a package is read without a flag.
void add_default_keys(std::vector<NamedFile>& reads) {
  for (size_t i = 0, count = reads.size(); i < count; ++i) {
    const std::string package = reads[i].path;
    if (!package::is_package(package)) continue;
    reads.push_back({.flag = "--key",
                     .path = package::default_key_path(package),
                     .what = "is the key of " + package});
  }
}

// What a model names is read without a flag. It is asked only where something is there that could
// be lost: that costs a parse of the file. What it cannot be asked, the command will say.
void add_external_files(NamedFiles& files) {
  const bool replaces = std::ranges::any_of(files.writes, [](const NamedFile& file) {
    const std::optional<struct stat> info = stat_of(file.path);
    return info && S_ISREG(info->st_mode);
  });
  for (size_t i = 0, count = files.reads.size(); replaces && i < count; ++i) {
    const std::string model = files.reads[i].path;
    if (files.reads[i].type != kModel || package::is_package(model)) continue;
    const auto paths = onnx::external_files(model);
    if (!paths.ok()) continue;
    for (const std::string& path : *paths) {
      files.reads.push_back(
          {.path = path, .what = "the command reads (external data of " + model + ")"});
    }
  }
}

}  // namespace

Status check_flags(const CLI::App& app) {
  std::vector<const CLI::Option*> given;
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() == 0 || option->get_items_expected_max() == 0) continue;
    TAOISM_RETURN_IF_ERROR(check_numbers(*option, name_of(*option)));
    given.push_back(option);
  }
  NamedFiles files = files_of(given);
  for (const NamedFile& file : files.reads) TAOISM_RETURN_IF_ERROR(check_pipe(file));
  if (!files.writes.empty()) {
    const CLI::Option* key = app.get_option_no_throw("--key");
    if (key != nullptr && key->count() == 0) add_default_keys(files.reads);
    add_external_files(files);
    TAOISM_RETURN_IF_ERROR(check_writes(files.reads, files.writes));
    for (const NamedFile& file : files.writes) TAOISM_RETURN_IF_ERROR(check_kept(file));
  }
  for (const CLI::App* sub : app.get_subcommands()) TAOISM_RETURN_IF_ERROR(check_flags(*sub));
  return {};
}

}  // namespace taoism::cli
