#include "onnx/node_attributes.h"

#include "onnx/tensor_proto.h"

namespace taoism::onnx {

using ::onnx::AttributeProto;

const AttributeProto* NodeAttributes::find(std::string_view name) const {
  for (const AttributeProto& attribute : node_.attribute()) {
    if (attribute.name() == name) return &attribute;
  }
  return nullptr;
}

const AttributeProto* NodeAttributes::take(std::string_view name, int type, const char* kind) {
  read_.emplace(name);
  const AttributeProto* attribute = find(name);
  if (attribute == nullptr || attribute->type() == type) return attribute;
  if (status_.ok()) {
    status_ = invalid_argument("attribute " + std::string(name) + " must be " + kind);
  }
  return nullptr;
}

int64_t NodeAttributes::i(std::string_view name, int64_t fallback) {
  const auto* attribute = take(name, AttributeProto::INT, "an integer");
  return attribute ? attribute->i() : fallback;
}

float NodeAttributes::f(std::string_view name, float fallback) {
  const auto* attribute = take(name, AttributeProto::FLOAT, "a number");
  return attribute ? attribute->f() : fallback;
}

std::string NodeAttributes::s(std::string_view name, std::string_view fallback) {
  const auto* attribute = take(name, AttributeProto::STRING, "a text");
  return attribute ? attribute->s() : std::string(fallback);
}

std::vector<int64_t> NodeAttributes::ints(std::string_view name) {
  const auto* attribute = take(name, AttributeProto::INTS, "a list of integers");
  if (attribute == nullptr) return {};
  return {attribute->ints().begin(), attribute->ints().end()};
}

std::vector<float> NodeAttributes::floats(std::string_view name) {
  const auto* attribute = take(name, AttributeProto::FLOATS, "a list of numbers");
  if (attribute == nullptr) return {};
  return {attribute->floats().begin(), attribute->floats().end()};
}

const ::onnx::TensorProto* NodeAttributes::tensor(std::string_view name) {
  const auto* attribute = take(name, AttributeProto::TENSOR, "a tensor");
  return attribute ? &attribute->t() : nullptr;
}

std::string NodeAttributes::unread() const {
  for (const AttributeProto& attribute : node_.attribute()) {
    if (!read_.contains(attribute.name())) return printable(attribute.name());
  }
  return {};
}

}  // namespace taoism::onnx
