// The register tile under every dense linear kernel: C[rows][columns] = sum over k of
// A[k][rows] * B[k][columns], A broadcast, B in vectors, all sums in registers. Internal.
#pragma once

#include <cstdint>

namespace taoism::kernels {

inline constexpr int kMaxTileRows = 8;
inline constexpr int kMaxTileVectors = 4;
inline constexpr int kMaxTileColumns = 48;

struct TileArgs {
  const float* a = nullptr;  // [k][rows], a_stride apart; 0: one behind the other
  int64_t a_stride = 0;
  const float* b = nullptr;  // [k][vectors * lanes]
  // For the functions with offsets: row k of B begins at b + b_offsets[k].
  const int64_t* b_offsets = nullptr;
  int64_t k = 0;
  float* c = nullptr;  // written: [rows][vectors * lanes], c_stride apart
  int64_t c_stride = 0;
  const float* start = nullptr;  // read and added like c, or none; may be c
  int64_t start_stride = 0;
  const float* row_bias = nullptr;     // [rows] or none
  const float* column_bias = nullptr;  // [vectors * lanes] or none
  float low = 0, high = 0;             // the result is limited to this; infinities: not at all
};

using TileFunction = void (*)(const TileArgs&);

// What the current target offers: functions for 1..rows by 1..vectors.
struct TileSet {
  int64_t lanes;
  int64_t rows;
  int64_t vectors;
  TileFunction function[kMaxTileRows + 1][kMaxTileVectors + 1];
  // With B where it lies, row by row, instead of packed.
  TileFunction offset_function[kMaxTileRows + 1][kMaxTileVectors + 1];

  int64_t columns() const { return lanes * vectors; }
};

const TileSet& tile_set();

}  // namespace taoism::kernels
