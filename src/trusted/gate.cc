#include "trusted/gate.h"

namespace taoism::trusted {

void gate(OutputToken token, ByteSpan untrusted_destination) {
  TAOISM_CHECK(untrusted_destination.size() == token.value_.size());
  if (token.value_.empty()) return;
  std::memcpy(untrusted_destination.data(), token.value_.data(), token.value_.size());
}

}  // namespace taoism::trusted
