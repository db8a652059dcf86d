// `taoism verify`: whether a package is, to the last byte, what its owner signed. Wants no secret.
#include <fmt/format.h>

#include "exit_code.h"
#include "flags.h"
#include "package/owner_key.h"
#include "package/package.h"
#include "report/units.h"
#include "standard_output.h"
#include "verb.h"

namespace taoism::cli {
namespace {

struct Options {
  std::string path;
  std::string owner;
};

Result<int> act(const Options& options) {
  TAOISM_ASSIGN_OR_RETURN(const store::Owners owners, package::read_owners(options.owner));
  TAOISM_ASSIGN_OR_RETURN(const std::unique_ptr<package::Package> package,
                          package::Package::open(options.path, &owners));
  const package::PackageFile& file = package->file();
  TAOISM_RETURN_IF_ERROR(file.check_all());
  print(fmt::format("{}: as owner {} signed it: {}, version {}, {} in {} parts, {} for the TEE\n",
                    one_line(options.path), package::id_text(file.signer()),
                    package->manifest().model, file.header().version,
                    report::bytes_text(file.bytes()), file.head().parts().size(),
                    file.head().count(store::PartKind::program)));
  return kExitOk;
}

Action declare(CLI::App& app) {
  auto options = std::make_shared<Options>();
  reads(app.add_option("package", options->path, "m.tao"))->required();
  reads(app.add_option(
            "--owner", options->owner,
            "the public half of its owner's key, owner.pub: whom you trust to have made it"))
      ->required();
  return [options] { return act(*options); };
}

}  // namespace

extern const Verb kVerifyVerb;
const Verb kVerifyVerb = {"verify", "whether a package is what its owner signed", declare};

}  // namespace taoism::cli
