#include "ir/flat.h"

namespace taoism::ir::flat {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using flatbuffers::Vector;

Offset<fbs::Attr> write_attr(FlatBufferBuilder& builder, const Attrs::Entry& entry) {
  const auto name = builder.CreateString(entry.name);
  Offset<flatbuffers::String> text;
  Offset<Vector<int64_t>> integers;
  Offset<Vector<float>> reals;
  if (const auto* v = std::get_if<std::string>(&entry.value)) text = builder.CreateString(*v);
  if (const auto* v = std::get_if<std::vector<int64_t>>(&entry.value))
    integers = builder.CreateVector(*v);
  if (const auto* v = std::get_if<std::vector<float>>(&entry.value))
    reals = builder.CreateVector(*v);
  fbs::AttrBuilder attr(builder);
  attr.add_name(name);
  attr.add_kind(static_cast<uint8_t>(entry.value.index()));
  if (const auto* v = std::get_if<int64_t>(&entry.value)) attr.add_integer(*v);
  if (const auto* v = std::get_if<float>(&entry.value)) attr.add_real(*v);
  if (!text.IsNull()) attr.add_text(text);
  if (!integers.IsNull()) attr.add_integers(integers);
  if (!reals.IsNull()) attr.add_reals(reals);
  return attr.Finish();
}

}  // namespace

Offset<fbs::TensorDesc> write_desc(FlatBufferBuilder& builder, const TensorDesc& desc) {
  return fbs::CreateTensorDesc(builder, static_cast<uint8_t>(desc.dtype),
                               builder.CreateVector(desc.shape.begin(), desc.shape.rank()));
}

std::vector<Offset<fbs::Attr>> write_attrs(FlatBufferBuilder& builder, const Attrs& attrs) {
  std::vector<Offset<fbs::Attr>> written;
  for (const Attrs::Entry& entry : attrs.entries()) written.push_back(write_attr(builder, entry));
  return written;
}

std::vector<std::byte> finished_bytes(const FlatBufferBuilder& builder) {
  const auto* bytes = reinterpret_cast<const std::byte*>(builder.GetBufferPointer());
  return {bytes, bytes + builder.GetSize()};
}

bool Reader::text(const flatbuffers::String* from, std::string& to) {
  if (from == nullptr || from->size() > kMaxText || !take(from->size())) return false;
  to.assign(from->data(), from->size());
  return true;
}

bool Reader::desc(const fbs::TensorDesc* from, TensorDesc& to) {
  if (from == nullptr || !list(from->dims()) || from->dims()->size() > kMaxRank) return false;
  to.dtype = static_cast<DType>(from->dtype());
  to.shape = {};
  for (flatbuffers::uoffset_t i = 0; i < from->dims()->size(); ++i) {
    to.shape.push_back(number(*from->dims(), i));
  }
  return true;
}

bool Reader::attrs(const Tables<fbs::Attr>* from, Attrs& to) {
  if (!list(from) || from->size() > kMaxAttrs) return false;
  for (const fbs::Attr* entry : *from) {
    if (!attr(*entry, to)) return false;
  }
  return true;
}

bool Reader::attr(const fbs::Attr& from, Attrs& to) {
  std::string name;
  if (!text(from.name(), name) || to.has(name)) return false;
  switch (from.kind()) {
    case 0: to.set(name, from.integer()); return true;
    case 1: to.set(name, from.real()); return true;
    case 2: {
      std::string value;
      if (!text(from.text(), value)) return false;
      to.set(name, std::move(value));
      return true;
    }
    case 3: {
      std::vector<int64_t> integers;
      if (!numbers(from.integers(), integers)) return false;
      to.set(name, std::move(integers));
      return true;
    }
    case 4: {
      std::vector<float> reals;
      if (!numbers(from.reals(), reals)) return false;
      to.set(name, std::move(reals));
      return true;
    }
    default: return false;
  }
}

}  // namespace taoism::ir::flat
