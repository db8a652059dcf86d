#include "wire/text.h"

namespace taoism::wire {
namespace {

constexpr const char* kTexts[] = {
    "",
    "the message is of no known type",
    "the message is of another protocol version: host and TEE must come from one build",
    "no session is open",
    "a session is open already",
    "the host's public key is not a point of P-256",
    "the crypto provider failed",
    "a range lies outside the payload area",
    "sealed data is shorter than its tag",
    "sealed data is longer than any program may be",
    "a sealed message is out of sequence (replayed, reordered or dropped)",
    "sealed data is not authentic",
    "the program is not the one that its id names",
    "the program did not pass verification, or its weights are packed for another processor",
    "the program is loaded already",
    "no such program is loaded",
    "too many programs are loaded: close one",
    "the program does not fit into the trusted memory that is left: raise the memory budget",
    "the areas for weights or for spilled activations are not of the size that the program needs",
    "a weight or a spilled activation is not what was sealed",
    "the program has no such segment",
    "segments run in their order",
    "the message does not name each input and output of the segment once",
    "a slot's size is not that of its tensor",
    "two slots overlap, or an output and what is kept outside",
    "there is no key for packages: give the key file with --key",
    "the package is older than its key accepts (rolled back?): use a newer one",
    "an index is out of range of what it indexes: check the model's input",
    "an integer is divided by 0: check the model's input",
    "the head of the package is damaged: copy it anew",
    "the package is of another format: seal it again with this taoism",
    "the package has no such program",
    "the package's signature does not verify: it is not what its owner signed",
    "the package is signed by an owner whom its key file does not know",
    "the package is signed by an owner whom its key file names as revoked",
    "a part of the package is not what its owner signed: copy it anew",
    "the key file cannot be used: give the one that the package was sealed with",
    "this TEE holds the key of packages and takes packages alone",
    "the room for the evidence of what this TEE is does not suffice",
    "the weights are packed in a way that this taoism does not compute: seal them again with it",
    "the configuration is invalid",
};
static_assert(sizeof(kTexts) / sizeof(kTexts[0]) == kTextCount);

}  // namespace

const char* text(Text text) {
  const auto number = static_cast<uint32_t>(text);
  return number < kTextCount ? kTexts[number] : "unknown";
}

}  // namespace taoism::wire
