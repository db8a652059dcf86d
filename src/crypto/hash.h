// SHA-256, HMAC-SHA-256 and HKDF-SHA-256 (RFC 5869). Trusted. Thread-safety: free functions.
#pragma once

#include <array>

#include "base/bytes.h"
#include "base/status.h"

namespace taoism::crypto {

inline constexpr size_t kDigestBytes = 32;
using Digest = std::array<std::byte, kDigestBytes>;

// Errors of all three: internal, when the provider fails.
Result<Digest> sha256(ConstByteSpan data);
Status hmac_sha256(ConstByteSpan key, ConstByteSpan data, std::span<std::byte, kDigestBytes> out);
// Fills `out` (at most 255 * 32 bytes) from a secret that need not be uniform.
Status hkdf_sha256(ConstByteSpan secret, ConstByteSpan salt, ConstByteSpan info, ByteSpan out);

}  // namespace taoism::crypto
