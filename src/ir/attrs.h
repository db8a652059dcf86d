// The attributes of an operator: a short list of (name, value), as ONNX has them. Which names an
// operator knows, and their defaults, is declared in its OpDef (ops/op.h). Trusted.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace taoism::ir {

using AttrValue =
    std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>>;

class Attrs {
 public:
  struct Entry {
    std::string name;
    AttrValue value;
    bool operator==(const Entry&) const = default;
  };

  void set(std::string_view name, AttrValue value);
  void erase(std::string_view name);
  const AttrValue* find(std::string_view name) const;
  bool has(std::string_view name) const { return find(name) != nullptr; }

  // The value, or the fallback when it is absent or of another kind.
  int64_t i(std::string_view name, int64_t fallback = 0) const;
  float f(std::string_view name, float fallback = 0) const;
  std::string_view s(std::string_view name, std::string_view fallback = "") const;
  std::span<const int64_t> ints(std::string_view name) const;  // empty when absent
  std::span<const float> floats(std::string_view name) const;

  const std::vector<Entry>& entries() const { return entries_; }
  bool operator==(const Attrs&) const = default;

 private:
  std::vector<Entry> entries_;
};

}  // namespace taoism::ir
