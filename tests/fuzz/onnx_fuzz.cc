// Hostile ONNX bytes: load and bind end in a graph that holds together or in a Status of one line.
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "onnx/model.h"

namespace taoism::fuzz {
namespace {

// The folder of the model, with a file that it may name as its external data.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "taoism_fuzz_XXXXXX").string();
    TAOISM_CHECK(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
    write("weights.bin", std::string(256, '\1'));
  }
  ~Folder() { std::filesystem::remove_all(path_); }

  std::string write(const char* name, const std::string& bytes) const {
    std::string file = path_ / name;
    std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
    return file;
  }

 private:
  std::filesystem::path path_;
};

void check_refusal(const Status& status) {
  TAOISM_CHECK(status.code() == Code::invalid_argument || status.code() == Code::unsupported ||
               status.code() == Code::not_found || status.code() == Code::resource_exhausted);
  TAOISM_CHECK(!status.message().empty());
  TAOISM_CHECK(status.message().find('\n') == std::string::npos);
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Folder folder;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto model = onnx::Model::load(folder.write("m.onnx", bytes));
  if (!model.ok()) return check_refusal(model.status()), 0;
  for (const int64_t batch : {0, 2}) {
    const auto graph = model->bind({.batch = batch});
    if (!graph.ok()) {
      check_refusal(graph.status());
    } else {
      TAOISM_CHECK(graph->verify().ok());
      (void)onnx::count_nonfinite(*graph);
    }
  }
  return 0;
}

}  // namespace taoism::fuzz
