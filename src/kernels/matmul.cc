#include "kernels/matmul.h"

#include "kernels/gemm.h"

namespace taoism::kernels {
namespace {

GemmOperands operands(const MatmulShape& shape, const float* a, const float* b, float* c) {
  GemmOperands gemm;
  gemm.batch = shape.batch;
  gemm.m = shape.m;
  gemm.n = shape.n;
  gemm.k = shape.k;
  gemm.a = a;
  gemm.a_batch_stride = shape.a_batch_stride;
  gemm.b = b;
  gemm.b_batch_stride = shape.b_batch_stride;
  gemm.c = c;
  return gemm;
}

}  // namespace

size_t matmul_scratch_bytes(const MatmulShape& shape, size_t threads) {
  return gemm_scratch_bytes(operands(shape, nullptr, nullptr, nullptr), threads);
}

void matmul(const MatmulShape& shape, const float* a, const float* b, float* c, ByteSpan scratch,
            Parallel& parallel) {
  gemm(operands(shape, a, b, c), Epilogue{}, scratch, parallel);
}

}  // namespace taoism::kernels
