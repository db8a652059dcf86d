#include "kernels/weight_tiles.h"

namespace taoism::kernels {

int64_t WeightTiles::unit_at(int64_t offset) const {
  if (offset >= elems()) return units();
  const int64_t group = offset / (k * width);
  offset %= k * width;
  const int64_t index = offset / (block_depth * width);
  offset %= block_depth * width;
  return (group * blocks + index) * tiles + offset / (block(index).size() * tile_width);
}

size_t WeightTiles::piece_end(size_t begin, size_t target_bytes) const {
  const size_t all = static_cast<size_t>(elems()) * sizeof(float);
  if (begin >= all || target_bytes >= all - begin) return all;
  const auto elem = [](size_t bytes) { return static_cast<int64_t>(bytes / sizeof(float)); };
  int64_t cut = offset(unit_at(elem(begin + target_bytes)));
  if (cut <= elem(begin)) cut = offset(unit_at(elem(begin)) + 1);
  return static_cast<size_t>(cut) * sizeof(float);
}

WeightShare even_share(Span units, int64_t tiles, int64_t parts, int64_t index) {
  if (units.size() >= tiles) return {units, even_part(tiles, parts, index)};
  // No tile is met twice, so that any cut will do.
  const Span part = even_part(units.size(), parts, index);
  return {{units.begin + part.begin, units.begin + part.end}, {0, tiles}};
}

}  // namespace taoism::kernels
