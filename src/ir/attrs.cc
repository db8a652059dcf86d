#include "ir/attrs.h"

namespace taoism::ir {

void Attrs::set(std::string_view name, AttrValue value) {
  for (Entry& entry : entries_) {
    if (entry.name == name) {
      entry.value = std::move(value);
      return;
    }
  }
  entries_.push_back({std::string(name), std::move(value)});
}

void Attrs::erase(std::string_view name) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.name == name; });
}

const AttrValue* Attrs::find(std::string_view name) const {
  for (const Entry& entry : entries_) {
    if (entry.name == name) return &entry.value;
  }
  return nullptr;
}

int64_t Attrs::i(std::string_view name, int64_t fallback) const {
  const AttrValue* value = find(name);
  const auto* held = value ? std::get_if<int64_t>(value) : nullptr;
  return held ? *held : fallback;
}

float Attrs::f(std::string_view name, float fallback) const {
  const AttrValue* value = find(name);
  const auto* held = value ? std::get_if<float>(value) : nullptr;
  return held ? *held : fallback;
}

std::string_view Attrs::s(std::string_view name, std::string_view fallback) const {
  const AttrValue* value = find(name);
  const auto* held = value ? std::get_if<std::string>(value) : nullptr;
  return held ? std::string_view(*held) : fallback;
}

std::span<const int64_t> Attrs::ints(std::string_view name) const {
  const AttrValue* value = find(name);
  const auto* held = value ? std::get_if<std::vector<int64_t>>(value) : nullptr;
  return held ? std::span<const int64_t>(*held) : std::span<const int64_t>();
}

std::span<const float> Attrs::floats(std::string_view name) const {
  const AttrValue* value = find(name);
  const auto* held = value ? std::get_if<std::vector<float>>(value) : nullptr;
  return held ? std::span<const float>(*held) : std::span<const float>();
}

}  // namespace taoism::ir
