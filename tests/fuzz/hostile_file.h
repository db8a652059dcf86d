// What fuzzers of files share: a folder that goes away with the program, and how a refusal looks.
#pragma once

#include <algorithm>
#include <initializer_list>

#include "base/status.h"
#include "base/test_folder.h"

namespace taoism::fuzz {

// One of the codes, and one line.
inline void check_refusal(const Status& status, std::initializer_list<Code> allowed) {
  TAOISM_CHECK(std::find(allowed.begin(), allowed.end(), status.code()) != allowed.end());
  TAOISM_CHECK(!status.message().empty());
  TAOISM_CHECK(status.message().find('\n') == std::string::npos);
}

}  // namespace taoism::fuzz
