// What the tests of a hostile host with a package share.
#pragma once

#include "host.h"

namespace taoism::attack {

inline constexpr Outcome kForged{Code::integrity, wire::Text::not_authentic};

// The weights in the payload, and the message that loads the sealed program beside them.
inline wire::Message sealed_beside_weights(Host& host) {
  host.put_weights();
  return host.seal_packaged();
}

}  // namespace taoism::attack
