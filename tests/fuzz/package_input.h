// The input of package_fuzz: a byte that says which form follows, the bytes of a file or the parts
// of one. Parts are put together with digests, offsets and a signature that fit, so that what comes
// after those checks is reached: a manifest, short, and sections, each after its length in 16 bits.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace taoism::fuzz {

inline constexpr char kWholeFile = 0;
inline constexpr char kParts = 1;

// First the manifest. A section in it is named by its number from 0 in place of its place; what it
// lacks (a digest, a summary, a name) is filled in.
std::string join_parts(const std::vector<std::string>& parts);
// Nothing: not of this form.
std::optional<std::vector<std::string>> split_parts(std::string_view input);

// The file that the input stands for.
std::string package_file(std::string_view input);

}  // namespace taoism::fuzz
