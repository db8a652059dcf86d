// What the FlatBuffers codecs of trusted code share: tensor types, attributes, and a reader that
// bounds what it copies. For ir/codec.cc and program/codec.cc alone. Trusted.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include <flatbuffers/flatbuffers.h>

#include "ir/attrs.h"
#include "ir/ir_generated.h"
#include "ir/types.h"

namespace taoism::ir::flat {

// Bounds for what a decoder will look at; real encodings stay far below.
inline constexpr size_t kMaxBytes = size_t{64} << 20;
inline constexpr size_t kMaxText = 4096;
inline constexpr size_t kMaxAttrs = 256;  // of one node

template <typename T>
using Tables = flatbuffers::Vector<flatbuffers::Offset<T>>;

flatbuffers::Offset<fbs::TensorDesc> write_desc(flatbuffers::FlatBufferBuilder& builder,
                                                const TensorDesc& desc);
std::vector<flatbuffers::Offset<fbs::Attr>> write_attrs(flatbuffers::FlatBufferBuilder& builder,
                                                        const Attrs& attrs);
std::vector<std::byte> finished_bytes(const flatbuffers::FlatBufferBuilder& builder);

// The root table where FlatBuffers' verifier accepts the bytes, else null. `bytes` start at a
// multiple of 8.
template <typename Root>
const Root* verified_root(ConstByteSpan bytes, const char* identifier) {
  if (bytes.size() < 16 || bytes.size() > kMaxBytes) return nullptr;
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  flatbuffers::Verifier verifier(data, bytes.size(), /*max_depth=*/16, /*max_tables=*/4'000'000);
  if (!verifier.VerifyBuffer<Root>(identifier)) return nullptr;
  return flatbuffers::GetRoot<Root>(data);
}

// By bytes: the verifier does not check that elements wider than a vector's length are aligned.
template <typename T>
T number(const flatbuffers::Vector<T>& from, flatbuffers::uoffset_t i) {
  T value;
  std::memcpy(&value, from.Data() + i * sizeof(T), sizeof(T));
  return flatbuffers::EndianScalar(value);
}

// Copies parts of a verified encoding. Offsets may make one part stand for many, so that a small
// encoding reads as a huge one; no encoder of ours does that. So no more is read than the encoding
// holds, each part counted whenever it is read: what it fails to read is malformed.
class Reader {
 public:
  explicit Reader(ConstByteSpan bytes) : left_(bytes.size()) {}

  bool text(const flatbuffers::String* from, std::string& to);
  bool desc(const fbs::TensorDesc* from, TensorDesc& to);
  bool attrs(const Tables<fbs::Attr>* from, Attrs& to);
  // Of numbers or structs: whether the list is there and fits; counts its elements.
  template <typename T>
  bool list(const flatbuffers::Vector<T>* from) {
    return from != nullptr && take(from->size() * flatbuffers::IndirectHelper<T>::element_stride);
  }
  // Of tables: an offset and a table's smallest form each.
  template <typename T>
  bool list(const Tables<T>* from) {
    return from != nullptr && take(from->size() * (2 * sizeof(flatbuffers::uoffset_t)));
  }
  template <typename T>
  bool numbers(const flatbuffers::Vector<T>* from, std::vector<T>& to) {
    if (!list(from)) return false;
    to.resize(from->size());
    for (flatbuffers::uoffset_t i = 0; i < from->size(); ++i) to[i] = number(*from, i);
    return true;
  }

 private:
  bool take(size_t bytes) {
    if (bytes > left_) return false;
    left_ -= bytes;
    return true;
  }
  bool attr(const fbs::Attr& from, Attrs& to);

  size_t left_;
};

}  // namespace taoism::ir::flat
