// `taoism zoo`: writes a standard architecture as ONNX with seeded random weights.
#include "zoo/zoo.h"
#include "exit_code.h"
#include "flags.h"
#include "verb.h"

namespace taoism::cli {
namespace {

struct Options {
  std::string name;
  std::string output;
  zoo::ZooOptions zoo;
};

Action declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  std::string names;
  for (const auto& name : zoo::zoo_names())
    names += (names.empty() ? "" : ", ") + std::string(name);
  app.add_option("name", options->name, names)->required();
  writes_model(app.add_option("-o,--output", options->output, "the ONNX file to write"))
      ->required();
  app.add_option("--image", options->zoo.image,
                 "side of the input: 224 (torchvision's) or 32 (CIFAR's)")
      ->capture_default_str();
  app.add_option("--classes", options->zoo.classes, "outputs of the classifier")
      ->capture_default_str();
  app.add_option("--seed", options->zoo.seed, "of the weights")->capture_default_str();
  return [options]() -> Result<int> {
    TAOISM_RETURN_IF_ERROR(zoo::write_zoo(options->name, options->zoo, options->output));
    return kExitOk;
  };
}

}  // namespace

extern const Verb kZooVerb;
const Verb kZooVerb = {"zoo", "write a standard architecture as ONNX with random weights", declare};

}  // namespace taoism::cli
