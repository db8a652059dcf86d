// The gate: the only function that writes a tensor to memory outside the TEE. It takes a token that
// nobody but a verified program can make, and then only for an output of the segment that has just
// run. Trusted. Thread-safety: one thread at a time.
#pragma once

#include "base/bytes.h"

namespace taoism::trusted {

// Permission to let one value out, once.
class OutputToken {
 public:
  OutputToken(const OutputToken&) = delete;
  OutputToken& operator=(const OutputToken&) = delete;

  size_t bytes() const { return value_.size(); }

 private:
  friend class LoadedProgram;  // mints
  friend void gate(OutputToken token, ByteSpan untrusted_destination);

  explicit OutputToken(ConstByteSpan value) : value_(value) {}
  OutputToken(OutputToken&&) noexcept = default;

  ConstByteSpan value_;
};

// `untrusted_destination` has token.bytes() bytes, outside the TEE; the caller has checked its
// range.
void gate(OutputToken token, ByteSpan untrusted_destination);

}  // namespace taoism::trusted
