#include "program/stretches.h"

#include <algorithm>
#include <limits>

namespace taoism::program {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr uint32_t kUntouched = UINT32_MAX;
// The most instructions that run together in bands.
constexpr uint32_t kMostBanded = 24;

// An item with what choosing needs to know.
struct Candidate {
  Item item;
  uint64_t unit_bytes = 0;  // live while it runs, of one image
  int64_t most_images = 0;  // that fit
  bool splits = false;
  uint64_t weight_bytes = 0;
  double work = 0;  // of one image: what bands repeat, in bytes
};

class Chooser {
 public:
  Chooser(const Analysis& analysis, BandCosts& costs, uint64_t activation_bytes)
      : analysis_(analysis), costs_(costs), limit_(activation_bytes) {}

  bool choose(uint32_t segment, std::vector<Stretch>& stretches) {
    range_ = analysis_.segment_nodes(segment);
    if (range_.begin == range_.end) {
      stretches.push_back({segment, analysis_.batch(), {}});
      return true;
    }
    measure_lives();
    if (!make_candidates()) return false;
    return group(segment, stretches);
  }

 private:
  // Bytes live at each node of the segment, of one image: from the first to the last node of the
  // segment that touches a slot.
  void measure_lives() {
    const uint32_t size = range_.end - range_.begin;
    find_touches();
    std::vector<int64_t> change(size + 1, 0), wait(size + 1, 0);
    for (const SlotId slot : slots_) {
      const Analysis::Life& life = analysis_.life(slot);
      const auto bytes = static_cast<int64_t>(analysis_.unit_bytes(slot));
      const auto rounded = static_cast<int64_t>(round_up(analysis_.unit_bytes(slot), kAlignment));
      change[touch_[slot].first - range_.begin] += rounded;
      change[touch_[slot].last - range_.begin + 1] -= rounded;
      if (life.last >= range_.end) continue;
      wait[touch_[slot].first - range_.begin + 1] += bytes;
      wait[life.last - range_.begin + 1] -= bytes;
    }
    live_.assign(size, 0);
    // Bytes that wait outside when a stretch ends before node i: what lives on both sides of it.
    crossing_.assign(size + 1, 0);
    int64_t live = 0, crossing = 0;
    for (uint32_t i = 0; i < size; ++i) {
      live += change[i];
      crossing += wait[i];
      live_[i] = static_cast<uint64_t>(live);
      crossing_[i] = static_cast<uint64_t>(crossing);
    }
  }

  // The segment's slots, and the first and the last of its nodes that touch each.
  void find_touches() {
    slots_.clear();
    touch_.resize(analysis_.program().slots.size());
    for (uint32_t n = range_.begin; n < range_.end; ++n) {
      for (const SlotId slot : analysis_.touched(n)) {
        Touch& touch = touch_[slot];
        if (touch.first < range_.begin || touch.first == kUntouched) {
          touch.first = n;
          slots_.push_back(slot);
        }
        touch.last = n;
      }
    }
  }

  uint64_t live(uint32_t node) const { return live_[node - range_.begin]; }

  bool fits(uint32_t node) const {
    const auto images = analysis_.nodes()[node].splits_batch ? 1 : analysis_.batch();
    return live(node) <= limit_ / static_cast<uint64_t>(images);
  }

  // Covers the segment with single nodes where they fit and bands around those that do not, at the
  // least work.
  bool make_candidates() {
    const uint32_t size = range_.end - range_.begin;
    std::vector<double> work(size + 1, kNever);
    std::vector<Candidate> last(size + 1);
    work[0] = 0;
    for (uint32_t end = 1; end <= size; ++end) {
      bool all_fit = true;
      for (uint32_t begin = end; begin-- > 0 && end - begin <= kMostBanded;) {
        const Range32 nodes{range_.begin + begin, range_.begin + end};
        all_fit = all_fit && fits(nodes.begin);
        if (work[begin] == kNever || (all_fit && begin + 1 < end)) continue;
        const Candidate candidate = all_fit ? single(nodes.begin) : in_bands(nodes);
        if (candidate.most_images == 0 || work[begin] + candidate.work >= work[end]) continue;
        work[end] = work[begin] + candidate.work;
        last[end] = candidate;
      }
    }
    candidates_.clear();
    if (work[size] == kNever) return false;
    for (uint32_t end = size; end != 0; end = last[end].item.nodes.begin - range_.begin) {
      candidates_.push_back(last[end]);
    }
    std::reverse(candidates_.begin(), candidates_.end());
    return true;
  }

  Candidate single(uint32_t n) const {
    const Node& node = analysis_.nodes()[n];
    const int64_t images = static_cast<int64_t>(std::min(limit_ / std::max<uint64_t>(live(n), 1),
                                                         static_cast<uint64_t>(analysis_.batch())));
    return {{{n, n + 1}, 1}, live(n), images, node.splits_batch, node.weight_bytes, 0};
  }

  // Nodes in as few bands as fit; no images when none do.
  Candidate in_bands(Range32 nodes) const {
    if (!can_band(analysis_, nodes)) return {};
    Candidate candidate;
    candidate.item.nodes = nodes;
    candidate.splits = analysis_.batch() > 1;
    for (uint32_t n = nodes.begin; n < nodes.end; ++n) {
      candidate.weight_bytes += analysis_.nodes()[n].weight_bytes;
    }
    // What lives across the whole stretch: at its borders, beside its own inputs and output.
    const uint64_t around = bytes_across(nodes);
    const int64_t most = most_bands(analysis_, nodes);
    for (int64_t count = 2; count <= most; count = more_bands(count, most)) {
      const BandCost& cost = costs_.of(nodes, count);
      if (!cost.is_possible) return {};
      if (around + cost.whole_bytes > limit_) return {};
      const uint64_t bytes = around + cost.whole_bytes + cost.band_bytes;
      if (bytes > limit_) continue;
      candidate.item.bands = count;
      candidate.unit_bytes = bytes;
      candidate.most_images = 1;
      candidate.work = kBytesPerMac * static_cast<double>(cost.repeated_macs) +
                       kBytesPerStep * static_cast<double>(count * (nodes.end - nodes.begin)) +
                       static_cast<double>(candidate.weight_bytes * static_cast<uint64_t>(count));
      return candidate;
    }
    return {};
  }

  // The next number of bands to try; `most` is not left out.
  static int64_t more_bands(int64_t count, int64_t most) {
    const int64_t more = count + std::max<int64_t>(1, count / 3);
    return count < most ? std::min(more, most) : more;
  }

  // Of slots that are touched before and after the stretch and not in it.
  uint64_t bytes_across(Range32 nodes) const {
    std::vector<SlotId> inside;
    for (uint32_t n = nodes.begin; n < nodes.end; ++n) {
      const std::vector<SlotId>& touched = analysis_.touched(n);
      inside.insert(inside.end(), touched.begin(), touched.end());
    }
    std::sort(inside.begin(), inside.end());
    inside.erase(std::unique(inside.begin(), inside.end()), inside.end());
    uint64_t bytes = crossing_[nodes.end - range_.begin];
    for (const SlotId slot : inside) {
      const uint32_t last = analysis_.life(slot).last;
      if (last >= nodes.end && last < range_.end) bytes -= analysis_.unit_bytes(slot);
    }
    return bytes;
  }

  // The cheapest cuts between candidates. A stretch runs in as many parts as the one of its
  // candidates that needs most, and what it costs adds up along it, but for that number: so that
  // for each number of parts one beginning, the cheapest yet, is enough.
  bool group(uint32_t segment, std::vector<Stretch>& stretches) {
    const size_t count = candidates_.size();
    add_up_candidates();
    std::vector<Start> starts;
    for (const int64_t parts : numbers_of_parts()) starts.push_back({parts});
    std::vector<double> cost(count + 1, kNever);
    std::vector<size_t> from(count + 1, 0);
    std::vector<int64_t> parts(count + 1, 0);
    cost[0] = 0;
    for (size_t end = 1; end <= count; ++end) {
      for (Start& start : starts) {
        if (!runs_in(candidates_[end - 1], start.parts)) {
          start.cost = kNever;
          continue;
        }
        const double here = start_cost(cost[end - 1], end - 1, start.parts);
        if (here <= start.cost) start = {start.parts, end - 1, here};
        if (start.cost == kNever) continue;
        const double total =
            start_cost(cost[start.begin], start.begin, 0) + run_cost(start.begin, end, start.parts);
        if (total < cost[end] || (total == cost[end] && start.begin > from[end])) {
          cost[end] = total;
          from[end] = start.begin;
          parts[end] = start.parts;
        }
      }
    }
    if (cost[count] == kNever) return false;
    std::vector<Stretch> reversed;
    for (size_t end = count; end != 0; end = from[end]) {
      // As many parts, of sizes as even as can be.
      Stretch stretch{segment, (analysis_.batch() + parts[end] - 1) / parts[end], {}};
      for (size_t i = from[end]; i < end; ++i) stretch.items.push_back(candidates_[i].item);
      reversed.push_back(std::move(stretch));
    }
    stretches.insert(stretches.end(), reversed.rbegin(), reversed.rend());
    return true;
  }

  // The cheapest beginning of a stretch that has come to one candidate in so many parts.
  struct Start {
    int64_t parts;
    size_t begin = 0;
    double cost = kNever;
  };

  int64_t parts_of(const Candidate& candidate) const {
    return (analysis_.batch() + candidate.most_images - 1) / candidate.most_images;
  }
  bool runs_in(const Candidate& candidate, int64_t parts) const {
    const bool splits = candidate.splits || analysis_.batch() == 1;
    return candidate.most_images > 0 && parts_of(candidate) <= parts && (splits || parts == 1);
  }
  std::vector<int64_t> numbers_of_parts() const {
    std::vector<int64_t> numbers = {1};
    for (const Candidate& candidate : candidates_) {
      if (candidate.most_images > 0) numbers.push_back(parts_of(candidate));
    }
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
    return numbers;
  }

  void add_up_candidates() {
    weights_before_.assign(1, 0);
    work_before_.assign(1, 0);
    for (const Candidate& candidate : candidates_) {
      weights_before_.push_back(weights_before_.back() + candidate.weight_bytes);
      work_before_.push_back(work_before_.back() + candidate.work);
    }
  }
  // What it costs to come to `begin` and to begin there, less what a stretch from the first
  // candidate on in so many parts would have cost until then.
  double start_cost(double cost, size_t begin, int64_t parts) const {
    const double boundary =
        2.0 * static_cast<double>(crossing_at(begin)) * static_cast<double>(analysis_.batch());
    return cost + boundary - (parts == 0 ? 0 : run_cost(0, begin, parts));
  }
  double run_cost(size_t begin, size_t end, int64_t parts) const {
    const auto times = static_cast<double>(parts);
    return times * static_cast<double>(weights_before_[end] - weights_before_[begin]) +
           (work_before_[end] - work_before_[begin]) * static_cast<double>(analysis_.batch()) +
           times * kBytesPerStep * static_cast<double>(end - begin);
  }

  uint64_t crossing_at(size_t candidate) const {
    return crossing_[candidates_[candidate].item.nodes.begin - range_.begin];
  }

  const Analysis& analysis_;
  BandCosts& costs_;
  const uint64_t limit_;
  Range32 range_;
  struct Touch {
    uint32_t first = kUntouched, last = 0;
  };
  std::vector<SlotId> slots_;
  std::vector<Touch> touch_;  // by slot: of the last segment that touched it
  std::vector<uint64_t> weights_before_;
  std::vector<double> work_before_;
  std::vector<uint64_t> live_;
  std::vector<uint64_t> crossing_;
  std::vector<Candidate> candidates_;
};

// Bytes that are worth keeping in the caches nearest to a core.
constexpr uint64_t kCacheBytes = 2 << 20;

// Images of a node's activations to be had at a time: as many as caches hold, where that is worth
// reading its weights again.
int64_t images_in_cache(const Analysis& analysis, uint32_t n) {
  const Node& node = analysis.nodes()[n];
  if (!node.splits_batch) return analysis.batch();
  uint64_t bytes = 0;
  for (const SlotId slot : analysis.touched(n)) {
    if (analysis.unit_bytes(slot) % kAlignment != 0) return analysis.batch();
    bytes += analysis.unit_bytes(slot);
  }
  if (node.weight_bytes > bytes) return analysis.batch();
  const auto images = static_cast<int64_t>(kCacheBytes / std::max<uint64_t>(bytes, 1));
  return std::clamp<int64_t>(images, 1, analysis.batch());
}

// Whether all that a segment takes and gives has images that could be had one by one.
bool passes_images(const Analysis& analysis, const Segment& segment) {
  const auto has_images = [&](SlotId slot) {
    return analysis.is_per_image(slot) && analysis.unit_bytes(slot) % kAlignment == 0;
  };
  return std::all_of(segment.inputs.begin(), segment.inputs.end(), has_images) &&
         std::all_of(segment.outputs.begin(), segment.outputs.end(), has_images);
}

}  // namespace

std::vector<Stretch> whole_stretches(const Analysis& analysis) {
  std::vector<Stretch> stretches;
  for (uint32_t s = 0; s < analysis.program().segments.size(); ++s) {
    Stretch stretch{s, analysis.batch(), {}};
    const Range32 range = analysis.segment_nodes(s);
    for (uint32_t n = range.begin; n < range.end; ++n) stretch.items.push_back({{n, n + 1}, 1});
    stretches.push_back(std::move(stretch));
  }
  return stretches;
}

std::vector<Stretch> cached_stretches(const Analysis& analysis) {
  std::vector<Stretch> stretches;
  for (uint32_t s = 0; s < analysis.program().segments.size(); ++s) {
    const Range32 range = analysis.segment_nodes(s);
    const size_t first = stretches.size();
    for (uint32_t n = range.begin; n < range.end; ++n) {
      const int64_t images = images_in_cache(analysis, n);
      const bool is_split = images < analysis.batch();
      if (stretches.size() == first || (stretches.back().images < analysis.batch()) != is_split) {
        stretches.push_back({s, images, {}});
      }
      stretches.back().images = std::min(stretches.back().images, images);
      stretches.back().items.push_back({{n, n + 1}, 1});
    }
    if (range.begin == range.end) stretches.push_back({s, analysis.batch(), {}});
    // It also passes on what the segment's nodes do not touch.
    if (!passes_images(analysis, analysis.program().segments[s])) {
      stretches.back().images = analysis.batch();
    }
  }
  return stretches;
}

std::vector<Stretch> choose_stretches(const Analysis& analysis, BandCosts& costs,
                                      uint64_t activation_bytes) {
  std::vector<Stretch> stretches;
  Chooser chooser(analysis, costs, activation_bytes);
  for (uint32_t s = 0; s < analysis.program().segments.size(); ++s) {
    if (!chooser.choose(s, stretches)) return {};
  }
  return stretches;
}

}  // namespace taoism::program
