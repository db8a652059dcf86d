// Text from outside, made fit to be shown, and bytes as hexadecimal digits. Trusted.
// Thread-safety: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace taoism {

// A name from a file, fit for a one-line message and a table: bounded in length, with a ? for every
// byte that is no UTF-8 and every character that would do something else than be seen: controls
// (C0, C1, DEL), separators of lines, overrides and isolates of direction, what has no width.
std::string printable(std::string_view name);
// Of any length and with its line feeds: for the edge at which text leaves for a terminal.
std::string printable_text(std::string_view text);

// Two lower-case digits a byte.
std::string hex(ConstByteSpan bytes);
// The same into memory of the caller's, 2 * bytes.size(): for a secret, of which no copy shall
// stay.
void write_hex(ConstByteSpan bytes, char* to);
// Whether `digits` are exactly 2 * to.size() lower-case digits, which `to` then holds.
bool read_hex(std::string_view digits, ByteSpan to);

}  // namespace taoism
