// Where what protobuf and the standard library throw becomes a Status. Internal to this folder.
#pragma once

#include <exception>
#include <new>
#include <string>

#include "base/status.h"

namespace taoism::onnx {

// What `function` returns, a Status or a Result; of what it throws, an error.
template <typename Function>
auto guarded(Function&& function) -> decltype(function()) {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    return resource_exhausted("the model does not fit this machine's memory");
  } catch (const std::exception& error) {
    return invalid_argument(std::string("the model cannot be imported: ") + error.what());
  }
}

}  // namespace taoism::onnx
