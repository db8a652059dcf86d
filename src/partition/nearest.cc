#include "partition/nearest.h"

#include <algorithm>
#include <numeric>

namespace taoism::partition {
namespace {

// Comparing longer names than this with thousands of others would take noticeable time.
constexpr size_t kComparedLength = 256;

}  // namespace

size_t edit_distance(std::string_view a, std::string_view b) {
  a = a.substr(0, kComparedLength);
  b = b.substr(0, kComparedLength);
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t above = row[j + 1];
      row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::vector<std::string> nearest(std::string_view name, std::span<const std::string> known,
                                 size_t count) {
  std::vector<std::pair<size_t, size_t>> ranked;  // distance, index
  for (size_t i = 0; i < known.size(); ++i) {
    const size_t distance = edit_distance(name, known[i]);
    if (2 * distance < std::max(name.size(), known[i].size()) + 2) ranked.emplace_back(distance, i);
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> result;
  for (size_t i = 0; i < ranked.size() && i < count; ++i) result.push_back(known[ranked[i].second]);
  return result;
}

std::string shown(std::string_view name) {
  constexpr size_t kShownLength = 120;
  std::string result(name.substr(0, kShownLength));
  for (char& c : result) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) c = '?';
  }
  if (name.size() > kShownLength) result += "...";
  return result;
}

std::string did_you_mean(std::string_view name, std::span<const std::string> known) {
  const std::vector<std::string> names = nearest(name, known);
  if (names.empty()) return "";
  std::string text = "did you mean ";
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += "'" + shown(names[i]) + "'";
  }
  return text + "?";
}

}  // namespace taoism::partition
