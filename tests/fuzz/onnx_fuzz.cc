// Hostile ONNX bytes: load and bind end in a graph that holds together or in a Status of one line.
#include "hostile_file.h"
#include "onnx/model.h"

namespace taoism::fuzz {
namespace {

constexpr auto kRefusals = {Code::invalid_argument, Code::unsupported, Code::not_found,
                            Code::resource_exhausted};

// The folder of the model, with a file that it may name as its external data.
struct ModelFolder : TestFolder {
  ModelFolder() { write("weights.bin", std::string(256, '\1')); }
};

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const ModelFolder folder;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto model = onnx::Model::load(folder.write("m.onnx", bytes));
  if (!model.ok()) return check_refusal(model.status(), kRefusals), 0;
  for (const int64_t batch : {0, 2}) {
    const auto graph = model->bind({.batch = batch});
    if (!graph.ok()) {
      check_refusal(graph.status(), kRefusals);
    } else {
      TAOISM_CHECK(graph->verify().ok());
      (void)onnx::count_nonfinite(*graph);
    }
  }
  return 0;
}

}  // namespace taoism::fuzz
