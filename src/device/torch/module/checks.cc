#include "device/torch/module/checks.h"

#include <ATen/ops/amin.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/eq.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ge.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/logical_or.h>
#include <ATen/ops/lt.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/where.h>

namespace taoism::torch_module {
namespace {

constexpr int64_t kNumbers = 3;

}  // namespace

at::Tensor Checks::search(const Check& check, const at::Tensor& elements) {
  const at::Tensor flat = elements.flatten();
  const int64_t count = flat.numel();
  at::Tensor wrong;
  if (check.dims.empty()) {
    wrong = at::eq(flat, 0);
  } else if (check.dims.size() == 1) {
    wrong = at::logical_or(at::lt(flat, -check.dims[0]), at::ge(flat, check.dims[0]));
  } else {  // the last dimension of `elements` is dims'
    wrong = at::logical_or(at::lt(elements, at::neg(check.sizes)), at::ge(elements, check.sizes))
                .flatten();
  }
  const at::Tensor order = at::arange(count, flat.options());
  const at::Tensor first = at::amin(at::where(wrong, order, count)).reshape({1});
  const at::Tensor element = at::index_select(flat, 0, at::clamp(first, 0, count - 1));
  return at::cat({at::full({1}, count, flat.options()), first, element});
}

Status Checks::status_of(const Check& check, const int64_t* found) {
  const int64_t count = found[0], first = found[1], element = found[2];
  if (first == count) return {};
  const ops::Outcome outcome =
      check.dims.empty()
          ? ops::Outcome{.fault = ops::Fault::division_by_zero}
          : ops::out_of_range(element, check.dims[static_cast<size_t>(first) % check.dims.size()]);
  return invalid_argument(check.node + ": " + ops::fault_text(outcome));
}

at::Tensor Checks::found() const {
  if (queued_.empty()) return {};
  std::vector<at::Tensor> all;
  for (const Queued& queued : queued_) all.push_back(queued.found);
  return at::cat(all);
}

Status Checks::verdict(const at::Tensor& found) const {
  const auto* numbers = found.const_data_ptr<int64_t>();
  for (size_t i = 0; i < queued_.size(); ++i) {
    TAOISM_RETURN_IF_ERROR(
        status_of(*queued_[i].check, numbers + static_cast<int64_t>(i) * kNumbers));
  }
  return {};
}

Status Checks::verdict(const Check& check, const at::Tensor& elements) {
  return status_of(check, search(check, elements).const_data_ptr<int64_t>());
}

}  // namespace taoism::torch_module
