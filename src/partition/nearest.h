// Names in error messages: what somebody may have meant by one that does not exist. Host only.
// Thread-safety: pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace taoism::partition {

// Single-character insertions, deletions and replacements between two names.
size_t edit_distance(std::string_view a, std::string_view b);

// Up to `count` of `known`, nearest first; names that share nothing with `name` are left out.
std::vector<std::string> nearest(std::string_view name, std::span<const std::string> known,
                                 size_t count = 3);

// A name from a file as an error message may show it: one line, without control characters, not
// long.
std::string shown(std::string_view name);

// "did you mean 'a' or 'b'?", or "" when nothing is near.
std::string did_you_mean(std::string_view name, std::span<const std::string> known);

}  // namespace taoism::partition
