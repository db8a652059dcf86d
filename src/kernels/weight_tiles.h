// Where the packed weights of the dense linear kernels lie: [group][k block][tile][k in block]
// [columns of the tile], in the order in which the kernels use them, so that any piece of the bytes
// that is cut between tiles can be computed as soon as it is there. A unit is one tile of one k
// block of one group; units are numbered in that order. Internal.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace taoism::kernels {

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t ceil_to(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

struct Span {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};
inline Span even_part(int64_t count, int64_t parts, int64_t index) {
  return {count * index / parts, count * (index + 1) / parts};
}

struct WeightTiles {
  // `width`: packed columns of a group; all tiles but the last have tile_width of them.
  WeightTiles(int64_t group_count, int64_t rows_of_k, int64_t rows_of_block, int64_t columns,
              int64_t columns_of_tile)
      : groups(group_count),
        k(rows_of_k),
        block_depth(rows_of_block),
        width(columns),
        tile_width(columns_of_tile),
        blocks(std::max<int64_t>(1, ceil_div(k, block_depth))),
        tiles(ceil_div(width, tile_width)) {}

  int64_t group_units() const { return blocks * tiles; }
  int64_t units() const { return groups * group_units(); }
  int64_t elems() const { return groups * k * width; }
  Span block(int64_t index) const {
    return {index * block_depth, std::min((index + 1) * block_depth, k)};
  }

  // Elements before a unit.
  int64_t offset(int64_t unit) const {
    const Span rows = block(unit / tiles % blocks);
    return (unit / group_units() * k + rows.begin) * width +
           rows.size() * (unit % tiles) * tile_width;
  }
  // The unit that element `offset` is in; units() at the end.
  int64_t unit_at(int64_t offset) const;
  // The next cut, in bytes, as OpDef::piece_end wants it.
  size_t piece_end(size_t begin, size_t target_bytes) const;

  int64_t groups, k, block_depth, width, tile_width;
  int64_t blocks, tiles;  // k blocks of a group, tiles of a k block
};

// What one task computes of `units` of a group (numbered from 0): those in `tiles`. All k blocks of
// a tile fall to the same task.
struct WeightShare {
  Span units, tiles;

  // The tiles of a k block; may be empty.
  Span in_block(int64_t block, int64_t block_tiles) const {
    const int64_t first = block * block_tiles;
    const Span in{std::max(tiles.begin, units.begin - first),
                  std::min(tiles.end, units.end - first)};
    return {in.begin, std::max(in.begin, in.end)};
  }
};

WeightShare even_share(Span units, int64_t tiles, int64_t parts, int64_t index);

}  // namespace taoism::kernels
