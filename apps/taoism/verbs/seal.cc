// `taoism seal`: named, so that its place is known; answers that it is not there yet.
#include "verb.h"

namespace taoism::cli {
namespace {

Action declare(CLI::App& app) {
  app.prefix_command();  // whatever flags it is given
  return []() -> Result<int> {
    return unsupported("seal is not yet available; run the ONNX file itself with `taoism run`");
  };
}

}  // namespace

extern const Verb kSealVerb;
const Verb kSealVerb = {"seal", "write the deployable package (not yet available)", declare};

}  // namespace taoism::cli
