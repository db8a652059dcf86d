// Hostile bytes outside: pieces of weights and spilled chunks are overwritten, moved and replayed
// at will between openings. What opens is exactly what was sealed there last; what does not is
// wiped.
#include <algorithm>
#include <map>

#include "reader.h"
#include "sample.h"
#include "store/sealed_store.h"

namespace taoism::fuzz {
namespace {

using Bytes = std::vector<std::byte>;

// Few of each, so that one chunk meets itself often.
constexpr size_t kChunks = 3;
constexpr size_t kChunkBytes[] = {1, 100, 512};
constexpr size_t kMostChunkBytes = 512;

class Outside {
 public:
  Outside()
      : sample_(attack::large_sample()),
        schedule_(*sample_.schedule(attack::tight_budget())),
        weights_(sample_.sealed_weights()),
        spill_(store::spill_bytes(schedule_)),
        store_(std::move(store::SealedStore::open(sample_.header(), sample_.layout(), schedule_,
                                                  weights_, spill_, 1))
                   .value()) {}

  void step(Reader& reader) {
    const size_t chunk = reader.below(kChunks);
    switch (reader.below(8)) {
      case 0: return overwrite(weights_, reader);
      case 1: return overwrite(chunk_of(chunk), reader);
      case 2: return move(weights_, reader);
      case 3: return move(spill_, reader);
      case 4: return open_weight(reader);
      case 5: return spill(chunk, reader);
      case 6: return fetch(chunk, reader);
      default: {  // back to what it was
        const Sealed& last = last_[chunk];
        std::ranges::copy(reader.below(2) == 0 ? last.sealed : last.older, chunk_of(chunk).begin());
        return;
      }
    }
  }

 private:
  struct Sealed {
    Bytes plain, sealed, older;
    bool is_there = false;
  };

  ByteSpan chunk_of(size_t chunk) {
    return ByteSpan(spill_).subspan(chunk * store::kSpillChunkBytes, kMostChunkBytes + 16);
  }
  static void overwrite(ByteSpan area, Reader& reader) {
    const ConstByteSpan bytes = reader.take(reader.below(16));
    std::ranges::copy(
        bytes, area.begin() + static_cast<ptrdiff_t>(reader.below(area.size() - bytes.size())));
  }
  static void move(ByteSpan area, Reader& reader) {
    const size_t bytes = reader.below(1024);
    const size_t from = reader.below(area.size() - bytes), to = reader.below(area.size() - bytes);
    std::memmove(area.data() + to, area.data() + from, bytes);
  }

  void open_weight(Reader& reader) {
    const store::WeightLayout& layout = sample_.layout();
    const auto w = static_cast<program::WeightId>(reader.below(sample_.program().weights.size()));
    const auto piece = static_cast<uint32_t>(reader.below(layout.pieces(w)));
    const size_t begin = layout.begin(w, piece), bytes = layout.end(w, piece) - begin;
    const auto sealed = [&](const Bytes& area) {
      return ConstByteSpan(area).subspan(layout.offset(w, piece), layout.sealed_bytes(w, piece));
    };
    const bool is_untouched =
        std::ranges::equal(sealed(weights_), sealed(sample_.sealed_weights()));
    Bytes to(bytes, std::byte{1});
    TAOISM_CHECK(store_->open_weight(w, piece, to, 0) == is_untouched);
    static std::map<program::WeightId, AlignedBuffer> known;
    if (!known.contains(w)) known.emplace(w, sample_.packed_weight(w));
    const AlignedBuffer& packed = known.at(w);
    check(to, is_untouched ? packed.span().subspan(begin, bytes) : ConstByteSpan());
  }

  void spill(size_t chunk, Reader& reader) {
    Sealed& last = last_[chunk];
    last.plain.assign(kChunkBytes[reader.below(std::size(kChunkBytes))], reader.value<std::byte>());
    last.older = last.sealed;
    last.is_there = store_->spill(chunk, last.plain, 0);
    TAOISM_CHECK(last.is_there);
    const ByteSpan sealed = chunk_of(chunk).first(last.plain.size() + crypto::kTagBytes);
    last.sealed.assign(sealed.begin(), sealed.end());
  }

  void fetch(size_t chunk, Reader& reader) {
    const Sealed& last = last_[chunk];
    const bool is_as_spilled = last.is_there && reader.below(2) == 0;
    const size_t bytes =
        is_as_spilled ? last.plain.size() : kChunkBytes[reader.below(std::size(kChunkBytes))];
    const bool is_untouched =
        last.is_there && bytes == last.plain.size() &&
        std::ranges::equal(chunk_of(chunk).first(last.sealed.size()), last.sealed);
    Bytes to(bytes, std::byte{1});
    TAOISM_CHECK(store_->fetch(chunk, to, 0) == is_untouched);
    check(to, is_untouched ? ConstByteSpan(last.plain) : ConstByteSpan());
  }

  // `plain` empty: wiped.
  static void check(const Bytes& opened, ConstByteSpan plain) {
    TAOISM_CHECK(plain.empty() ? std::ranges::count(opened, std::byte{0}) == std::ssize(opened)
                               : std::ranges::equal(opened, plain));
  }

  const attack::Sample& sample_;
  const program::Schedule& schedule_;
  Bytes weights_, spill_;
  std::unique_ptr<store::SealedStore> store_;
  std::map<size_t, Sealed> last_;
};

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Reader reader(data, size);
  Outside outside;
  for (int steps = 0; steps < 64 && !reader.is_empty(); ++steps) outside.step(reader);
  return 0;
}

}  // namespace taoism::fuzz
