// The attributes of a NodeProto, read by name and kind. It remembers what was asked for, so that an
// attribute nobody knows is never passed over in silence. Internal to this folder.
#pragma once

#include <onnx/onnx_pb.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace taoism::onnx {

class NodeAttributes {
 public:
  explicit NodeAttributes(const ::onnx::NodeProto& node) : node_(node) {}

  bool has(std::string_view name) const { return find(name) != nullptr; }
  // The value, or the fallback when absent. One of another kind is kept for status().
  int64_t i(std::string_view name, int64_t fallback);
  float f(std::string_view name, float fallback);
  std::string s(std::string_view name, std::string_view fallback);
  std::vector<int64_t> ints(std::string_view name);
  std::vector<float> floats(std::string_view name);
  const ::onnx::TensorProto* tensor(std::string_view name);
  // Marks one as known that has no meaning here.
  void ignore(std::string_view name) { read_.emplace(name); }

  // invalid_argument when one that was read is of the wrong kind.
  const Status& status() const { return status_; }
  // The first that nobody has read; empty when there is none.
  std::string unread() const;

 private:
  const ::onnx::AttributeProto* find(std::string_view name) const;
  const ::onnx::AttributeProto* take(std::string_view name, int type, const char* kind);

  const ::onnx::NodeProto& node_;
  std::set<std::string, std::less<>> read_;
  Status status_;
};

}  // namespace taoism::onnx
