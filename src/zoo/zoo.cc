#include "zoo/zoo.h"

#include <array>
#include <new>

#include "zoo/architectures.h"

namespace taoism::zoo {
namespace {

struct Entry {
  const char* name;
  void (*build)(NetBuilder& net, int64_t classes);
};

constexpr Entry kEntries[] = {
    {"alexnet", build_alexnet},
    {"vgg16_bn", [](NetBuilder& net, int64_t classes) { build_vgg_bn(net, 16, classes); }},
    {"vgg19_bn", [](NetBuilder& net, int64_t classes) { build_vgg_bn(net, 19, classes); }},
    {"resnet18", [](NetBuilder& net, int64_t classes) { build_resnet(net, 18, classes); }},
    {"resnet34", [](NetBuilder& net, int64_t classes) { build_resnet(net, 34, classes); }},
    {"resnet50", [](NetBuilder& net, int64_t classes) { build_resnet(net, 50, classes); }},
    {"mobilenet_v2", build_mobilenet_v2},
};

constexpr auto kNames = [] {
  std::array<const char*, std::size(kEntries)> names = {};
  for (size_t i = 0; i < names.size(); ++i) names[i] = kEntries[i].name;
  return names;
}();

const Entry* find_entry(const std::string& name) {
  for (const Entry& entry : kEntries) {
    if (name == entry.name) return &entry;
  }
  return nullptr;
}

}  // namespace

std::span<const char* const> zoo_names() { return kNames; }

Status write_zoo(const std::string& name, const ZooOptions& options, const std::string& path) {
  constexpr int64_t kMaxClasses = 100'000;
  const Entry* entry = find_entry(name);
  if (entry == nullptr) {
    std::string known;
    for (const char* each : kNames) known += (known.empty() ? "" : ", ") + std::string(each);
    return invalid_argument("the zoo has no '" + name + "'; it has " + known);
  }
  if (options.image != 32 && options.image != 224) {
    return invalid_argument("image must be 32 or 224, got " + std::to_string(options.image));
  }
  if (options.classes < 1 || options.classes > kMaxClasses) {
    return invalid_argument("classes must be 1 to " + std::to_string(kMaxClasses) + ", got " +
                            std::to_string(options.classes));
  }
  try {
    NetBuilder net(name, options.image, options.seed);
    entry->build(net, options.classes);
    return net.write(path);
  } catch (const std::bad_alloc&) {
    return resource_exhausted("'" + name + "' does not fit this machine's memory");
  }
}

}  // namespace taoism::zoo
