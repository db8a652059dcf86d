#include "recover.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <span>

namespace taoism::ask {
namespace {

constexpr size_t kMostReach = 16;
constexpr size_t kMostNumbers = size_t{1} << 27;  // that are kept of the answers
constexpr int kMostPoints = 64;                   // around which is asked
constexpr int kTurningPoints = 2;
constexpr float kFar = 8;        // how far they are from 0, through a rectifier
constexpr float kRegion = 1024;  // and in a region: from this to three times as far
constexpr float kFarther = 64;   // one channel even so many times that

bool is_image(const Crossing& crossing) { return crossing.row.rank() == 3; }

// 0: not an image to an image.
size_t stride_between(const Crossing& input, const Crossing& output) {
  if (!is_image(input) || !is_image(output)) return 0;
  const int64_t rows = output.row[1];
  const int64_t columns = output.row[2];
  if (rows == 0 || columns == 0) return 0;
  const int64_t stride = (input.row[1] + rows - 1) / rows;
  const bool is_same = stride == (input.row[2] + columns - 1) / columns;
  return is_same && stride >= 1 ? static_cast<size_t>(stride) : 0;
}

// A step: the same for `count` elements of one input, from the first.
struct Direction {
  size_t input = 0;
  size_t first = 0;
  size_t count = 1;
};

class Learner {
 public:
  Learner(SegmentOracle& oracle, size_t segment, uint64_t seed)
      : oracle_(oracle),
        segment_(segment),
        inputs_(oracle.inputs(segment)),
        outputs_(oracle.outputs(segment)),
        random_(seed) {}

  Result<Findings> learn();

 private:
  // What was seen of one output around points that were asked.
  struct Seen {
    std::vector<float> steps;    // [direction, element]: the change by a step of 1
    std::vector<uint8_t> known;  // of steps
    std::vector<Row> points;
    std::vector<std::vector<float>> at_points;
  };

  Row zeros() const;
  Row random_row(float scale);
  Row point_of_region();
  Row shuffled(const Row& row);
  Status probe();
  void choose_directions(bool only_means_count);
  Status ask_around(const Row& point, float step);
  Status ask_points();
  Status turn_to_the_active_side();
  bool all_known() const;
  void conclude(size_t output);
  void take_steps(size_t output, size_t input, Dependence& on) const;
  Status compare();
  double worst_error() const;

  SegmentOracle& oracle_;
  size_t segment_;
  std::vector<Crossing> inputs_, outputs_;
  std::mt19937_64 random_;
  Form form_ = Form::affine;
  std::vector<Dependence> kinds_;  // by input, without weights
  std::vector<Direction> directions_;
  std::vector<uint8_t> moved_;  // by direction: whether anything answered to it
  Row signs_;                   // of a region's points
  size_t points_ = 0;           // of regions, so far
  std::vector<Seen> seen_;
  std::vector<Recovered> found_;
};

Row scaled(Row row, float factor) {
  for (std::vector<float>& values : row) {
    for (float& value : values) value *= factor;
  }
  return row;
}

Row Learner::zeros() const {
  Row row;
  for (const Crossing& input : inputs_) row.emplace_back(input.elements, 0.0F);
  return row;
}

Row Learner::random_row(float scale) {
  std::normal_distribution<float> normal(0, scale);
  Row row = zeros();
  for (std::vector<float>& values : row) {
    for (float& value : values) value = normal(random_);
  }
  return row;
}

// One channel is much farther from 0 than the others, another one at every point: so every element
// behind a second rectifier is at some points on the side where it shows.
Row Learner::point_of_region() {
  std::uniform_real_distribution<float> distance(kRegion, 3 * kRegion);
  Row row = signs_;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const auto map = is_image(inputs_[i]) ? static_cast<size_t>(inputs_[i].row.product(1, 3)) : 1;
    const size_t farther = points_ % (row[i].size() / map);
    for (size_t e = 0; e < row[i].size(); ++e) {
      row[i][e] *= distance(random_) * (e / map == farther ? kFarther : 1);
    }
  }
  ++points_;
  return row;
}

// Every channel's pixels in another order, the same for all channels and images of a size.
Row Learner::shuffled(const Row& row) {
  Row result = row;
  const uint64_t seed = random_();
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (!is_image(inputs_[i])) continue;
    const auto map = static_cast<size_t>(inputs_[i].row.product(1, 3));
    std::vector<size_t> order(map);
    std::iota(order.begin(), order.end(), size_t{0});
    std::shuffle(order.begin(), order.end(), std::mt19937_64(seed));
    for (size_t e = 0; e < row[i].size(); ++e)
      result[i][e] = row[i][e / map * map + order[e % map]];
  }
  return result;
}

// Whether all is affine: y(2r) - y(r) = y(r) - y(0) = y(0) - y(-r). And whether images count by
// their channels' means.
Status Learner::probe() {
  const Row r = random_row(1);
  TAOISM_ASSIGN_OR_RETURN(
      const std::vector<Row> at,
      oracle_.ask(segment_, {zeros(), r, scaled(r, 2), scaled(r, -1), shuffled(r)}));
  bool only_means_count = std::ranges::any_of(inputs_, is_image);
  for (size_t o = 0; o < outputs_.size(); ++o) {
    double scale = 0;
    double bend = 0;
    double moved = 0;
    for (size_t e = 0; e < outputs_[o].elements; ++e) {
      const double zero = at[0][o][e];
      const double one = at[1][o][e];
      scale = std::max({scale, std::abs(zero), std::abs(one)});
      bend = std::max(
          {bend, std::abs(at[2][o][e] - 2 * one + zero), std::abs(at[3][o][e] + one - 2 * zero)});
      moved = std::max(moved, std::abs(at[4][o][e] - one));
    }
    if (bend > 1e-4 * scale) form_ = Form::relu;
    only_means_count = only_means_count && moved <= 1e-4 * scale;
  }
  choose_directions(only_means_count);
  return {};
}

void Learner::choose_directions(bool only_means_count) {
  kinds_.resize(inputs_.size());
  for (size_t i = 0; i < inputs_.size(); ++i) {
    Dependence& on = kinds_[i];
    const ir::Shape& row = inputs_[i].row;
    on.stride = stride_between(inputs_[i], outputs_[0]);
    for (const Crossing& output : outputs_) {
      if (stride_between(inputs_[i], output) != on.stride) on.stride = 0;
    }
    if (on.stride != 0) {
      on.kind = Dependence::Kind::convolution;
      on.reach = std::min(kMostReach, static_cast<size_t>(std::max(row[1], row[2])) - 1);
      const auto height = static_cast<size_t>(row[1]);
      const auto width = static_cast<size_t>(row[2]);
      const size_t down = std::min(on.stride, height);
      const size_t right = std::min(on.stride, width);
      for (size_t k = 0; k < static_cast<size_t>(row[0]) * down * right; ++k) {
        const size_t y = (height - down) / 2 + k / right % down;
        const size_t x = (width - right) / 2 + k % right;
        directions_.push_back({i, (k / (down * right) * height + y) * width + x});
      }
    } else if (only_means_count && is_image(inputs_[i])) {
      on.kind = Dependence::Kind::means;
      const auto map = static_cast<size_t>(row.product(1, 3));
      for (size_t first = 0; first < inputs_[i].elements; first += map) {
        directions_.push_back({i, first, map});
      }
    } else {
      for (size_t e = 0; e < inputs_[i].elements; ++e) directions_.push_back({i, e});
    }
  }
}

// Steps away from 0 in a region, so that they stay in it.
Status Learner::ask_around(const Row& point, float step) {
  std::vector<Row> rows{point};
  for (const Direction& direction : directions_) {
    std::vector<float>& values = rows.emplace_back(point)[direction.input];
    for (size_t e = direction.first; e < direction.first + direction.count; ++e) {
      values[e] += form_ == Form::region ? step * signs_[direction.input][e] : step;
    }
  }
  TAOISM_ASSIGN_OR_RETURN(const std::vector<Row> at, oracle_.ask(segment_, rows));
  seen_.resize(outputs_.size());
  moved_.resize(directions_.size());
  for (size_t o = 0; o < outputs_.size(); ++o) {
    Seen& seen = seen_[o];
    const size_t elements = outputs_[o].elements;
    seen.steps.resize(directions_.size() * elements);
    seen.known.resize(seen.steps.size());
    seen.points.push_back(point);
    seen.at_points.push_back(at[0][o]);
    for (size_t d = 0; d < directions_.size(); ++d) {
      const auto& [input, first, count] = directions_[d];
      // As it was taken in float32.
      const float taken = rows[d + 1][input][first] - point[input][first];
      for (size_t e = 0; e < elements; ++e) {
        const float from = at[0][o][e];
        const float to = at[d + 1][o][e];
        if (from != to) moved_[d] = 1;
        uint8_t& known = seen.known[d * elements + e];
        if (known != 0 || (form_ != Form::affine && (from == 0 || to == 0))) continue;
        seen.steps[d * elements + e] = (to - from) / taken;
        known = 1;
      }
    }
  }
  return {};
}

bool Learner::all_known() const {
  return std::ranges::all_of(seen_, [](const Seen& seen) {
    return std::ranges::all_of(seen.known, [](uint8_t known) { return known != 0; });
  });
}

// Channels (of what is no image: elements) that nothing answers to are at rest: their sign is
// turned.
Status Learner::turn_to_the_active_side() {
  signs_ = zeros();
  for (std::vector<float>& values : signs_) std::ranges::fill(values, 1.0F);
  moved_.assign(directions_.size(), 0);
  for (int point = 0; point < kTurningPoints; ++point) {
    TAOISM_RETURN_IF_ERROR(ask_around(point_of_region(), kRegion));
  }
  for (size_t d = 0; d < directions_.size(); ++d) {
    if (moved_[d] != 0) continue;
    const Crossing& input = inputs_[directions_[d].input];
    const auto map = is_image(input) ? static_cast<size_t>(input.row.product(1, 3)) : size_t{1};
    const size_t first = directions_[d].first / map * map;
    for (size_t e = first; e < first + map; ++e) signs_[directions_[d].input][e] = -1;
  }
  seen_.clear();
  return {};
}

Status Learner::ask_points() {
  seen_.clear();
  if (form_ == Form::affine) return ask_around(zeros(), 1);
  if (form_ == Form::region) TAOISM_RETURN_IF_ERROR(turn_to_the_active_side());
  for (int point = 0; point < kMostPoints && !(point > 0 && all_known()); ++point) {
    if (form_ == Form::region) {
      TAOISM_RETURN_IF_ERROR(ask_around(point_of_region(), kRegion));
      continue;
    }
    const Row far = random_row(kFar);
    TAOISM_RETURN_IF_ERROR(ask_around(far, 1));
    TAOISM_RETURN_IF_ERROR(ask_around(scaled(far, -1), 1));
    ++point;
  }
  return {};
}

// The weights of `on`, from the steps along the directions of this input.
void Learner::take_steps(size_t o, size_t input, Dependence& on) const {
  const Seen& seen = seen_[o];
  const size_t elements = outputs_[o].elements;
  const ir::Shape& from = inputs_[input].row;
  const size_t side = 2 * on.reach + 1;
  size_t columns = inputs_[input].elements;
  if (on.kind == Dependence::Kind::means) columns = static_cast<size_t>(from[0]);
  if (on.kind == Dependence::Kind::convolution) {
    on.weights.resize(static_cast<size_t>(outputs_[o].row[0] * from[0]) * side * side);
  } else {
    on.weights.resize(elements * columns);
  }
  for (size_t d = 0; d < directions_.size(); ++d) {
    if (directions_[d].input != input) continue;
    const size_t at = directions_[d].first;
    for (size_t e = 0; e < elements; ++e) {
      if (seen.known[d * elements + e] == 0) continue;
      const float weight = seen.steps[d * elements + e];
      if (on.kind != Dependence::Kind::convolution) {
        on.weights[e * columns + at / directions_[d].count] = weight;
        continue;
      }
      const auto height = static_cast<size_t>(outputs_[o].row[1]);
      const auto width = static_cast<size_t>(outputs_[o].row[2]);
      const auto map = static_cast<size_t>(from[1] * from[2]);
      const auto map_width = static_cast<size_t>(from[2]);
      const size_t down = at % map / map_width + on.reach - on.stride * (e / width % height);
      const size_t right = at % map_width + on.reach - on.stride * (e % width);
      if (down >= side || right >= side) continue;  // also what would be below 0
      const size_t pair = e / (height * width) * static_cast<size_t>(from[0]) + at / map;
      on.weights[(pair * side + down) * side + right] = weight;
    }
  }
}

void Learner::conclude(size_t o) {
  const Seen& seen = seen_[o];
  Recovered found{.form = Form::affine, .inputs = kinds_, .bias = {}};
  for (size_t i = 0; i < inputs_.size(); ++i) take_steps(o, i, found.inputs[i]);
  // The bias: what is left at the first point where the element is not held at 0.
  found.bias.assign(outputs_[o].elements, 0);
  std::vector<float> bias = found.bias;
  std::vector<uint8_t> known(bias.size(), 0);
  for (size_t p = 0; p < seen.points.size(); ++p) {
    const std::vector<float> moved = found.answer(seen.points[p], inputs_, outputs_[o]);
    for (size_t e = 0; e < bias.size(); ++e) {
      const float at_point = seen.at_points[p][e];
      if (known[e] != 0 || (form_ != Form::affine && at_point == 0)) continue;
      bias[e] = at_point - moved[e];
      known[e] = 1;
    }
  }
  found.bias = std::move(bias);
  found.form = form_;
  found.is_rectified =
      form_ != Form::affine && std::ranges::all_of(seen.at_points, [](const auto& at_point) {
        return std::ranges::all_of(at_point, [](float value) { return value >= 0; });
      });
  found_.push_back(std::move(found));
}

Status Learner::compare() {
  found_.clear();
  for (size_t o = 0; o < outputs_.size(); ++o) conclude(o);
  std::vector<Row> rows;
  for (int i = 0; i < kChecked; ++i) {
    rows.push_back(form_ == Form::region ? point_of_region() : random_row(1));
  }
  TAOISM_ASSIGN_OR_RETURN(const std::vector<Row> want, oracle_.ask(segment_, rows));
  for (size_t o = 0; o < outputs_.size(); ++o) {
    double largest = 0;
    double difference = 0;
    for (size_t r = 0; r < rows.size(); ++r) {
      const std::vector<float> got = found_[o].answer(rows[r], inputs_, outputs_[o]);
      for (size_t e = 0; e < got.size(); ++e) {
        largest = std::max(largest, std::abs(double{want[r][o][e]}));
        difference = std::max(difference, std::abs(double{got[e]} - want[r][o][e]));
      }
    }
    found_[o].error = largest > 0 ? difference / largest : difference;
  }
  return {};
}

double Learner::worst_error() const {
  double worst = 0;
  for (const Recovered& found : found_) worst = std::max(worst, found.error);
  return worst;
}

Result<Findings> Learner::learn() {
  const uint64_t rows = oracle_.rows_asked();
  const uint64_t calls = oracle_.calls();
  TAOISM_RETURN_IF_ERROR(probe());
  size_t numbers = 0;
  for (const Crossing& output : outputs_) numbers += output.elements;
  if (directions_.size() > kMostNumbers / std::max<size_t>(numbers, 1)) {
    return resource_exhausted("its answers to " + std::to_string(directions_.size()) +
                              " steps, of " + std::to_string(numbers) +
                              " numbers each, do not fit");
  }
  TAOISM_RETURN_IF_ERROR(ask_points());
  Findings findings{.rows = oracle_.rows_asked() - rows, .calls = oracle_.calls() - calls};
  TAOISM_RETURN_IF_ERROR(compare());
  if (form_ == Form::relu && worst_error() > kFound) {
    form_ = Form::region;
    TAOISM_RETURN_IF_ERROR(ask_points());
    findings.rows = oracle_.rows_asked() - rows - kChecked;
    findings.calls = oracle_.calls() - calls - 1;
    TAOISM_RETURN_IF_ERROR(compare());
  }
  findings.outputs = std::move(found_);
  return findings;
}

// sum += the convolution of `image` with `on`.
void add_convolution(const Dependence& on, const std::vector<float>& image, const ir::Shape& from,
                     const ir::Shape& to, std::vector<double>& sum) {
  const size_t side = 2 * on.reach + 1;
  const auto reach = static_cast<int64_t>(on.reach);
  const auto stride = static_cast<int64_t>(on.stride);
  for (int64_t k = 0; k < to[0] * from[0]; ++k) {
    const int64_t out = k / from[0];
    const int64_t in = k % from[0];
    for (int64_t tap = 0; tap < static_cast<int64_t>(side * side); ++tap) {
      const double weight =
          on.weights[static_cast<size_t>(k) * side * side + static_cast<size_t>(tap)];
      if (weight == 0) continue;
      const int64_t down = tap / static_cast<int64_t>(side) - reach;
      const int64_t right = tap % static_cast<int64_t>(side) - reach;
      for (int64_t y = 0; y < to[1]; ++y) {
        const int64_t row = stride * y + down;
        if (row < 0 || row >= from[1]) continue;
        for (int64_t x = 0; x < to[2]; ++x) {
          const int64_t column = stride * x + right;
          if (column < 0 || column >= from[2]) continue;
          sum[static_cast<size_t>((out * to[1] + y) * to[2] + x)] +=
              weight * image[static_cast<size_t>((in * from[1] + row) * from[2] + column)];
        }
      }
    }
  }
}

}  // namespace

const char* form_name(Form form) {
  constexpr const char* kNames[] = {"affine", "relu", "region"};
  return kNames[static_cast<size_t>(form)];
}

std::vector<float> Recovered::answer(const Row& row, const std::vector<Crossing>& from,
                                     const Crossing& to) const {
  std::vector<double> sum(bias.begin(), bias.end());
  for (size_t i = 0; i < from.size(); ++i) {
    const Dependence& on = inputs[i];
    if (on.kind == Dependence::Kind::convolution) {
      add_convolution(on, row[i], from[i].row, to.row, sum);
      continue;
    }
    // Means: a step was that of all elements of a channel.
    const size_t columns = on.weights.size() / std::max<size_t>(sum.size(), 1);
    const size_t count = from[i].elements / std::max<size_t>(columns, 1);
    for (size_t k = 0; k < columns; ++k) {
      double mean = 0;
      for (size_t e = 0; e < count; ++e) mean += row[i][k * count + e] / static_cast<double>(count);
      for (size_t e = 0; e < sum.size(); ++e) sum[e] += on.weights[e * columns + k] * mean;
    }
  }
  std::vector<float> result(sum.begin(), sum.end());
  if (is_rectified) {
    for (float& value : result) value = std::max(value, 0.0F);
  }
  return result;
}

Result<Findings> recover(SegmentOracle& oracle, size_t segment, uint64_t seed) {
  return Learner(oracle, segment, seed).learn();
}

}  // namespace taoism::ask
