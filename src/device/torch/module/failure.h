// An error of ours on its way to the boundary, where every exception is caught.
#pragma once

#include <stdexcept>

#include "base/status.h"

namespace taoism::torch_module {

class Failure : public std::runtime_error {
 public:
  explicit Failure(const Status& status)
      : std::runtime_error(status.message()), code_(status.code()) {}
  Code code() const { return code_; }

 private:
  Code code_;
};

}  // namespace taoism::torch_module
