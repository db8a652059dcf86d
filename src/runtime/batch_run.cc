#include "runtime/batch_run.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "host/memory.h"
#include "ops/core/convert.h"
#include "runtime/session.h"
#include "runtime/tensors.h"

namespace taoism::runtime {
namespace {

std::string shape_error(const TensorSpec& spec, const ir::TensorDesc& given, bool has_rows) {
  std::string text = has_rows ? "N" : spec.desc.shape.text();
  for (size_t i = 1; has_rows && i < spec.desc.shape.rank(); ++i) {
    text += 'x';
    text += std::to_string(spec.desc.shape[i]);
  }
  return "input '" + spec.name + "' wants " + ir::dtype_name(spec.desc.dtype) + " " + text + "; " +
         ir::dtype_name(given.dtype) + " " + given.shape.text() + " was given";
}

// Whether `given` is what `spec` wants, with any number of rows where it has rows.
Status check_input(const TensorSpec& spec, const files::Tensor& given, bool has_rows) {
  const ir::Shape& want = spec.desc.shape;
  const ir::Shape& have = given.desc.shape;
  Status bad = invalid_argument(shape_error(spec, given.desc, has_rows));
  if (spec.desc.dtype != given.desc.dtype) return bad;
  if (!has_rows) return want == have ? Status() : bad;
  if (want.rank() == 0 || have.rank() == 0) return bad;
  const bool same = given.format == files::Format::idx
                        ? want.product(1, want.rank()) == have.product(1, have.rank())
                        : std::equal(want.begin() + 1, want.end(), have.begin() + 1, have.end());
  return same ? Status() : bad;
}

// A tensor as [outer][rows][inner_bytes], along the dimension that counts rows.
struct RowLayout {
  RowLayout(const ir::TensorDesc& desc, size_t axis, size_t rows)
      : outer(static_cast<size_t>(desc.shape.product(0, axis))),
        inner_bytes(desc.bytes() / (outer * rows)) {}
  size_t outer, inner_bytes;
};

class RowRun {
 public:
  RowRun(const Source& source, std::span<const files::Tensor> inputs,
         const BatchRunOptions& options)
      : source_(source), inputs_(inputs), options_(options) {}

  Result<BatchRunResult> run() {
    TAOISM_RETURN_IF_ERROR(count());
    TAOISM_RETURN_IF_ERROR(choose_batch());
    size_t row = 0;
    while (row < result_.rows) {
      const size_t left = result_.rows - row;
      const size_t batch = batch_for(left);
      if (result_.batch == 0) result_.batch = batch;
      TAOISM_RETURN_IF_ERROR(run_batches(row, batch, left));
    }
    return std::move(result_);
  }

 private:
  bool has_rows(size_t input) const { return source_.rows().inputs[input] >= 0; }

  Status count() {
    const std::vector<TensorSpec>& specs = source_.inputs();
    if (specs.size() != inputs_.size()) {
      return invalid_argument("the model has " + std::to_string(specs.size()) + " inputs; " +
                              std::to_string(inputs_.size()) + " were given");
    }
    const TensorSpec* first = nullptr;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      TAOISM_RETURN_IF_ERROR(check_input(specs[i], inputs_[i], has_rows(i)));
      if (!has_rows(i)) continue;
      const auto rows = static_cast<size_t>(inputs_[i].desc.shape[0]);
      if (first != nullptr && rows != result_.rows) {
        return invalid_argument("input '" + specs[i].name + "' has " + std::to_string(rows) +
                                " rows, '" + first->name + "' has " + std::to_string(result_.rows));
      }
      first = &specs[i];
      result_.rows = rows;
    }
    if (first == nullptr) {  // one inference of what has no rows
      const int64_t batch = source_.batch_at_most(INT64_MAX);
      result_.rows = batch == INT64_MAX ? 1 : static_cast<size_t>(batch);
      return result_.rows > 0 ? Status() : source_.no_batch_for(1);
    }
    return result_.rows > 0 ? Status() : invalid_argument("the input has no rows");
  }

  // Known before anything starts: whether the rows can be made up of batches at all.
  Status choose_batch() {
    most_ = std::min(options_.batch, static_cast<int64_t>(result_.rows));
    const Status& apart = source_.rows().independent;
    const auto together = static_cast<int64_t>(result_.rows);
    if (!apart.ok() && (most_ < together || source_.batch_at_most(together) != together)) {
      if (options_.batch_is_given && most_ < together) {
        return invalid_argument(
            "--batch " + std::to_string(options_.batch) + ": the " + std::to_string(together) +
            " rows of the input cannot be run apart: " + apart.message() + "; leave --batch out");
      }
      if (source_.batch_at_most(together) != together) {
        return source_.no_batch_for(result_.rows)
            .annotate("the rows of the input cannot be run apart: " + apart.message());
      }
      most_ = together;
    }
    for (size_t left = result_.rows; left > 0; left %= batch_for(left)) {
      if (batch_for(left) == 0) return source_.no_batch_for(result_.rows);
    }
    return {};
  }

  size_t batch_for(size_t rows) const {
    const auto left = static_cast<int64_t>(rows);
    const int64_t batch = source_.batch_at_most(std::min(most_, left));
    // What has only larger ones runs as it can.
    return static_cast<size_t>(batch != 0 ? batch : source_.batch_at_most(left));
  }

  // Full batches from `row` on, as many as fit into `left` rows; advances `row`.
  Status run_batches(size_t& row, size_t batch, size_t left) {
    TAOISM_ASSIGN_OR_RETURN(Prepared prepared,
                            source_.prepare(static_cast<int64_t>(batch), options_.machine));
    TAOISM_ASSIGN_OR_RETURN(std::unique_ptr<Session> session,
                            Session::open(prepared, options_.machine, device_));
    if (row == 0) {
      TAOISM_RETURN_IF_ERROR(make_outputs(*session, batch));
      result_.warnings = prepared.report.warnings;
      for (std::string& warning : session->warnings())
        result_.warnings.push_back(std::move(warning));
      result_.uses_tee = prepared.uses_tee;
      result_.tee_memory_budget = session->tee_memory_budget();
    }
    TAOISM_RETURN_IF_ERROR(check_outputs(*session, batch));
    for (size_t i = 0; i < left / batch; ++i, row += batch) {
      TAOISM_RETURN_IF_ERROR(run_one(*session, row, batch));
      if (options_.progress) {
        options_.progress(static_cast<double>(row + batch) / static_cast<double>(result_.rows));
      }
    }
    return {};
  }

  // The dimension of an output that counts rows; nothing where all rows have the same output, or
  // are one batch.
  std::optional<size_t> row_axis(size_t output) const {
    if (!source_.rows().independent.ok() || source_.rows().outputs[output] < 0) return {};
    return static_cast<size_t>(source_.rows().outputs[output]);
  }

  // The output of `rows` rows, from that of `batch`. Errors: internal.
  Result<ir::TensorDesc> output_of(const TensorSpec& spec, size_t output, size_t batch,
                                   size_t rows) const {
    ir::TensorDesc desc = spec.desc;
    const std::optional<size_t> axis = row_axis(output);
    if (!axis) return desc;
    const auto count = static_cast<int64_t>(batch);
    if (*axis >= desc.shape.rank() || desc.shape[*axis] % count != 0) {
      return internal_error("output '" + spec.name + "' of " + desc.shape.text() +
                            " has not its rows in dimension " + std::to_string(*axis));
    }
    desc.shape[*axis] = desc.shape[*axis] / count * static_cast<int64_t>(rows);
    if (desc.shape.is_bounded()) return desc;
    return unsupported("output '" + spec.name + "' of all rows is too large: " + desc.shape.text() +
                       "; give fewer rows");
  }

  Status make_outputs(const Session& session, size_t batch) {
    for (size_t o = 0; o < session.outputs().size(); ++o) {
      const TensorSpec& spec = session.outputs()[o];
      TAOISM_ASSIGN_OR_RETURN(const ir::TensorDesc desc, output_of(spec, o, batch, result_.rows));
      Result<AlignedBuffer> memory = host::take_memory(std::max<size_t>(desc.bytes(), 1));
      if (!memory.ok()) {
        return memory.status().annotate("output '" + spec.name + "' of all rows");
      }
      result_.outputs.push_back({spec.name, desc, std::move(*memory)});
    }
    return {};
  }

  // Whether what the session writes is its part of the outputs, before it writes anything.
  Status check_outputs(const Session& session, size_t batch) {
    parts_.clear();
    for (size_t o = 0; o < result_.outputs.size(); ++o) {
      const TensorSpec& spec = session.outputs()[o];
      TAOISM_ASSIGN_OR_RETURN(const ir::TensorDesc whole, output_of(spec, o, batch, result_.rows));
      if (!(whole == result_.outputs[o].desc)) {
        return internal_error("output '" + spec.name + "' is " + spec.desc.shape.text() + " for " +
                              std::to_string(batch) + " rows, which does not fit the others'");
      }
      const bool in_place =
          batch == result_.rows || (row_axis(o) && spec.desc.shape.product(0, *row_axis(o)) == 1);
      parts_.emplace_back(in_place ? 0 : std::max<size_t>(spec.desc.bytes(), 1));
    }
    return {};
  }

  Status run_one(Session& session, size_t row, size_t batch) {
    std::vector<ir::ConstTensorView> inputs;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const ir::TensorDesc& desc = session.inputs()[i].desc;
      const size_t offset = has_rows(i) ? desc.bytes() / batch * row : 0;
      const size_t given = inputs_[i].desc.bytes();
      if (offset > given || desc.bytes() > given - offset) {
        return internal_error("input '" + session.inputs()[i].name + "' is " + desc.shape.text() +
                              ", which is more than was given");
      }
      inputs.push_back({desc, inputs_[i].data.data() + offset});
    }
    std::vector<ir::TensorView> outputs;
    for (size_t o = 0; o < result_.outputs.size(); ++o) {
      const ir::TensorDesc& desc = session.outputs()[o].desc;
      const size_t offset = row_axis(o) ? desc.bytes() / batch * row : 0;
      std::byte* const to =
          parts_[o].size() == 0 ? result_.outputs[o].data.data() + offset : parts_[o].data();
      outputs.push_back({desc, to});
    }
    RunProfile profile;
    TAOISM_RETURN_IF_ERROR(session.run(inputs, outputs, profile));
    result_.total.add(profile);
    for (size_t o = 0; o < outputs.size(); ++o) put_part(o, outputs[o].desc, row, batch);
    return {};
  }

  // Moves the rows of output `o` from where they were written to their place among all.
  void put_part(size_t o, const ir::TensorDesc& desc, size_t row, size_t batch) {
    if (parts_[o].size() == 0) return;
    RowTensor& output = result_.outputs[o];
    const std::optional<size_t> axis = row_axis(o);
    if (!axis) {
      if (row == 0) std::memcpy(output.data.data(), parts_[o].data(), desc.bytes());
      return;
    }
    const RowLayout from(desc, *axis, batch);
    const size_t bytes = batch * from.inner_bytes;
    for (size_t i = 0; i < from.outer; ++i) {
      std::memcpy(output.data.data() + (i * result_.rows + row) * from.inner_bytes,
                  parts_[o].data() + i * bytes, bytes);
    }
  }

  const Source& source_;
  std::span<const files::Tensor> inputs_;
  const BatchRunOptions& options_;
  std::shared_ptr<device::Device> device_;
  int64_t most_ = 0;                  // rows in a batch
  std::vector<AlignedBuffer> parts_;  // by output: where its rows are not next to each other
  BatchRunResult result_;
};

}  // namespace

Result<BatchRunResult> run_rows(const Source& source, std::span<const files::Tensor> inputs,
                                const BatchRunOptions& options) {
  return RowRun(source, inputs, options).run();
}

namespace {

std::vector<double> numbers_of(const RowTensor& output) {
  std::vector<double> numbers(static_cast<size_t>(output.desc.shape.elements()));
  ops::with_type(output.desc.dtype, [&](auto zero) {
    const auto* elements = output.data.as<decltype(zero)>();
    for (size_t i = 0; i < numbers.size(); ++i) {
      numbers[i] = static_cast<double>(ops::number_of(elements[i]));
    }
  });
  return numbers;
}

}  // namespace

std::vector<int64_t> arg_max(const RowTensor& output) {
  TAOISM_CHECK(output.desc.shape.rank() == 2 && output.desc.shape[1] > 0);
  const std::vector<double> numbers = numbers_of(output);
  const int64_t classes = output.desc.shape[1];
  std::vector<int64_t> best;
  for (int64_t row = 0; row < output.desc.shape[0]; ++row) {
    const double* values = numbers.data() + row * classes;
    int64_t winner = 0;
    for (int64_t c = 1; c < classes; ++c) {
      if (values[c] > values[winner] ||
          (values[winner] != values[winner] && values[c] == values[c]))
        winner = c;
    }
    best.push_back(winner);
  }
  return best;
}

Result<Accuracy> accuracy(const RowTensor& output, std::span<const int64_t> labels) {
  const ir::Shape& shape = output.desc.shape;
  const bool is_label = shape.rank() == 1 && !is_real(output.desc.dtype);
  if (!is_label && (shape.rank() != 2 || shape[1] == 0)) {
    return invalid_argument("accuracy wants an output of [rows, classes]; '" + output.name +
                            "' is " + shape.text());
  }
  std::vector<int64_t> best;
  if (is_label) {
    for (const double label : numbers_of(output)) best.push_back(static_cast<int64_t>(label));
  } else {
    best = arg_max(output);
  }
  if (best.size() != labels.size()) {
    return invalid_argument(std::to_string(labels.size()) + " labels for " +
                            std::to_string(best.size()) + " rows; give a label for each row");
  }
  Accuracy accuracy;
  accuracy.rows = best.size();
  for (size_t i = 0; i < best.size(); ++i) accuracy.right += best[i] == labels[i];
  return accuracy;
}

}  // namespace taoism::runtime
