// The public part of a package, as text (JSON, docs/formats/tao.md), and the fixed header before
// it. The reader trusts nothing: what it accepts lies within the file. Host only.
// Thread-safety: values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "crypto/hash.h"
#include "ir/types.h"
#include "onnx/model.h"
#include "store/package_key.h"

namespace taoism::package {

// Everything but the header and the manifest lies in the data, which starts at header.data_offset
// of the file; offsets count from there.
struct Section {
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

// A weight that the device holds.
struct PublicConstant {
  ir::TensorDesc desc;
  Section section;
  crypto::Digest sha256{};
};

// The model bound to one batch size.
struct BatchEntry {
  int64_t batch = 0;
  Section graph;  // ir::encode() of the public part
  crypto::Digest graph_sha256{};
  Section program;  // sealed: a store::StoreHeader and the encoded program
  Section weights;  // sealed, in pieces; several batches may share them
  uint64_t most_spill_bytes = 0;
  std::vector<uint64_t> whole_memory_bytes;  // with 1, 2, 4, 8... threads
  std::string summary;                       // partition::summary_json()
  std::string summary_text;
};

struct Manifest {
  std::string model;
  std::string model_hash;
  std::string plan_hash;
  std::string strategy;
  std::string kernel_target;  // that the sealed weights are packed for
  Section plan;               // sealed: plan.json
  onnx::RowProof rows;        // proven when it was sealed
  std::vector<PublicConstant> constants;
  std::vector<BatchEntry> batches;  // by rising size
};

struct Header {
  std::array<char, 8> magic = kMagic;
  uint32_t format = kFormat;
  uint32_t unused = 0;
  crypto::StoreId package{};
  uint64_t version = 0;
  uint64_t manifest_bytes = 0;
  uint64_t data_offset = 0;
  uint64_t file_bytes = 0;

  // Like a PNG's: a transfer that changes line ends is found out.
  static constexpr std::array<char, 8> kMagic = {'\x89', 'T', 'A', 'O', '\r', '\n', '\x1a', '\n'};
  static constexpr uint32_t kFormat = 1;
};
static_assert(sizeof(Header) == 64 && std::is_trivially_copyable_v<Header>);

inline constexpr uint64_t kMaxManifestBytes = uint64_t{64} << 20;
inline constexpr size_t kMaxBatches = 64;  // of one package

std::string write_manifest(const Manifest& manifest);
// `data_bytes`: of the file's data. Errors: integrity.
Result<Manifest> read_manifest(std::string_view text, uint64_t data_bytes);

}  // namespace taoism::package
