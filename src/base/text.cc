#include "base/text.h"

namespace taoism {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

}  // namespace

std::string printable(std::string_view name) {
  constexpr size_t kMaxChars = 200;
  std::string result;
  for (const char c : name) {
    if (result.size() == kMaxChars) return result + "...";
    result += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  return result;
}

void write_hex(ConstByteSpan bytes, char* to) {
  for (const std::byte byte : bytes) {
    *to++ = kDigits[static_cast<size_t>(byte >> 4)];
    *to++ = kDigits[static_cast<size_t>(byte & std::byte{15})];
  }
}

std::string hex(ConstByteSpan bytes) {
  std::string digits(2 * bytes.size(), '0');
  write_hex(bytes, digits.data());
  return digits;
}

bool read_hex(std::string_view digits, ByteSpan to) {
  if (digits.size() != 2 * to.size()) return false;
  for (size_t i = 0; i < to.size(); ++i) {
    const size_t high = kDigits.find(digits[2 * i]);
    const size_t low = kDigits.find(digits[2 * i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return false;
    to[i] = static_cast<std::byte>(high << 4 | low);
  }
  return true;
}

}  // namespace taoism
