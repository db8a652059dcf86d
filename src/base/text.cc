#include "base/text.h"

namespace taoism {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

// First and last of what is not seen, or changes how the rest is.
constexpr uint32_t kUnseen[][2] = {
    {0x0000, 0x001f},   {0x007f, 0x009f},   {0x00ad, 0x00ad},   {0x034f, 0x034f},
    {0x061c, 0x061c},   {0x115f, 0x1160},   {0x17b4, 0x17b5},   {0x180b, 0x180f},
    {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},   {0x2800, 0x2800},
    {0x3164, 0x3164},   {0xd800, 0xdfff},   {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},
    {0xffa0, 0xffa0},   {0xfff0, 0xfffb},   {0xfffe, 0xffff},   {0x13430, 0x1345f},
    {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

bool is_seen(uint32_t point) {
  for (const auto& range : kUnseen) {
    if (point >= range[0] && point <= range[1]) return false;
  }
  return point <= 0x10ffff;
}

// The bytes of the character that `text`, not empty, begins with; 0 where that is no UTF-8.
size_t read_utf8(std::string_view text, uint32_t& point) {
  const auto byte = [text](size_t i) { return static_cast<unsigned char>(text[i]); };
  const size_t bytes = byte(0) < 0x80   ? 1
                       : byte(0) < 0xc2 ? 0
                       : byte(0) < 0xe0 ? 2
                       : byte(0) < 0xf0 ? 3
                       : byte(0) < 0xf5 ? 4
                                        : 0;
  if (bytes == 0 || bytes > text.size()) return 0;
  point = bytes == 1 ? byte(0) : byte(0) & (0x7fU >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    point = point << 6 | (byte(i) & 0x3f);
  }
  constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  return point >= kLeast[bytes] ? bytes : 0;
}

std::string shown(std::string_view text, size_t most_bytes, bool keep_lines) {
  std::string result;
  while (!text.empty()) {
    uint32_t point = 0;
    const size_t bytes = read_utf8(text, point);
    const size_t taken = bytes == 0 ? 1 : bytes;
    const bool fits = bytes != 0 && ((keep_lines && point == '\n') || is_seen(point));
    if (result.size() + (fits ? taken : 1) > most_bytes) return result + "...";
    if (fits) {
      result.append(text.data(), taken);
    } else {
      result += '?';
    }
    text.remove_prefix(taken);
  }
  return result;
}

}  // namespace

std::string printable(std::string_view name) {
  constexpr size_t kMaxBytes = 200;
  return shown(name, kMaxBytes, false);
}

std::string printable_text(std::string_view text) { return shown(text, text.max_size(), true); }

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
