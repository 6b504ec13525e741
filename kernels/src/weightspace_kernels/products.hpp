// Vectors of one processor, and the products of short rows that convolutions are made of.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace weightspace {

using Int = std::int64_t;

#if defined(__AVX512F__)
constexpr int kLanes = 16, kRows = 12;
#else
constexpr int kLanes = 8, kRows = 6;
#endif
// Narrow vectors leave fewer lanes empty where there are few channels.
constexpr int kNarrow = 8;
// Rows at once of a kernel's gradient where channels are few: those of 3 x 3 windows divide by it.
constexpr Int kFew = 9;

template <int V>
struct Of {
  typedef float Vec __attribute__((vector_size(4 * V)));
};
template <int V>
using Vec = typename Of<V>::Vec;

template <int V>
inline Vec<V> load(const float* p) {
  Vec<V> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <int V>
inline void store(float* p, const Vec<V>& v) {
  std::memcpy(p, &v, sizeof v);
}

// The first `count` numbers, zeros after them; Whole says that there are V or more.
template <int V, bool Whole = false>
inline Vec<V> load(const float* p, Int count) {
  if (Whole || count >= V) return load<V>(p);
#if defined(__AVX512VL__)
  if constexpr (V == 16) return (Vec<V>)_mm512_maskz_loadu_ps((1u << count) - 1, p);
  if constexpr (V == 8) return (Vec<V>)_mm256_maskz_loadu_ps((1u << count) - 1, p);
#endif
  Vec<V> v{};
  for (Int i = 0; i < count; ++i) v[i] = p[i];
  return v;
}

template <int V, bool Whole = false>
inline void store(float* p, const Vec<V>& v, Int count) {
  if (Whole || count >= V) return store<V>(p, v);
#if defined(__AVX512VL__)
  if constexpr (V == 16) return _mm512_mask_storeu_ps(p, (1u << count) - 1, (__m512)v);
  if constexpr (V == 8) return _mm256_mask_storeu_ps(p, (1u << count) - 1, (__m256)v);
#endif
  for (Int i = 0; i < count; ++i) p[i] = v[i];
}

inline Int up(Int n, Int to) { return (n + to - 1) / to * to; }

// Memory that a thread keeps from call to call.
class Scratch {
 public:
  float* take(Int floats) {
    if (floats > size_) {
      memory_.reset(static_cast<float*>(std::aligned_alloc(64, up(floats * sizeof(float), 64))));
      if (!memory_) throw std::bad_alloc();
      size_ = floats;
    }
    return memory_.get();
  }

 private:
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  std::unique_ptr<float, Free> memory_;
  Int size_ = 0;
};

// c[r] = sum over i < rows, j < depth of a[i * step + r * row + j] * w[(i * depth + j) * ws], R rows at once.
template <int V, int R, int B, bool Whole>
inline void product(const float* a, Int row, Int step, Int rows, Int depth, const float* w, Int ws, float* c,
                    Int cs, Int made) {
  Vec<V> sum[R][B] = {};
  const Int bytes = row;
  for (Int i = 0; i < rows; ++i) {
    // Three rows a pointer: the processor adds one or two strides to an address for nothing.
    const float* p[(R + 2) / 3];
    for (int q = 0; q < (R + 2) / 3; ++q) p[q] = a + i * step + 3 * q * row;
    for (Int j = 0; j < depth; ++j, w += ws) {
      Vec<V> b[B];
      for (int k = 0; k < B; ++k) b[k] = load<V>(w + k * V);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const float x = p[r / 3][(r % 3) * bytes + j];
        for (int k = 0; k < B; ++k) sum[r][k] += x * b[k];
      }
    }
  }
  for (int r = 0; r < R; ++r)
    for (int k = 0; k < B; ++k) store<V, Whole>(c + r * cs + k * V, sum[r][k], made - k * V);
}

template <int V, int B, bool Whole>
inline void products_of(Int count, const float* a, Int row, Int step, Int rows, Int depth, const float* w,
                        Int ws, float* c, Int cs, Int made) {
#define WEIGHTSPACE_ROWS(R)                                                  \
  for (; count >= R; count -= R, a += R * row, c += R * cs)                  \
  product<V, R, B, Whole>(a, row, step, rows, depth, w, ws, c, cs, made)
  WEIGHTSPACE_ROWS(kRows);
#if defined(__AVX512F__)
  WEIGHTSPACE_ROWS(8);
#endif
  WEIGHTSPACE_ROWS(4);
  WEIGHTSPACE_ROWS(2);
  WEIGHTSPACE_ROWS(1);
#undef WEIGHTSPACE_ROWS
}

// The same for `count` rows and `made` columns; w has rows of ws >= made rounded up to V.
template <int V>
inline void products(Int count, const float* a, Int row, Int step, Int rows, Int depth, const float* w, Int ws,
                     float* c, Int cs, Int made) {
  Int k = 0;
  for (; made - k > V; k += 2 * V)
    made - k >= 2 * V ? products_of<V, 2, true>(count, a, row, step, rows, depth, w + k, ws, c + k, cs, 0)
                      : products_of<V, 2, false>(count, a, row, step, rows, depth, w + k, ws, c + k, cs, made - k);
  if (k < made)
    made - k >= V ? products_of<V, 1, true>(count, a, row, step, rows, depth, w + k, ws, c + k, cs, 0)
                  : products_of<V, 1, false>(count, a, row, step, rows, depth, w + k, ws, c + k, cs, made - k);
}

// c[r] += sum over i < rows, p < count of a[i * step + p * row + r] * g[i * gstep + p * grow].
template <int V, int R, int B, bool Whole>
inline void outer(Int rows, Int count, const float* a, Int step, Int row, const float* g, Int gstep, Int grow,
                  float* c, Int cs, Int made) {
  Vec<V> sum[R][B] = {};
  for (Int i = 0; i < rows; ++i) {
    const float *x = a + i * step, *y = g + i * gstep;
    for (Int p = 0; p < count; ++p, x += row, y += grow) {
      Vec<V> b[B];
      for (int k = 0; k < B; ++k) b[k] = load<V, Whole>(y + k * V, made - k * V);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r)
        for (int k = 0; k < B; ++k) sum[r][k] += x[r] * b[k];
    }
  }
  for (int r = 0; r < R; ++r)
    for (int k = 0; k < B; ++k) {
      float* to = c + r * cs + k * V;
      store<V>(to, load<V>(to) + sum[r][k]);
    }
}

template <int V, int B, bool Whole>
inline void outers_of(Int depth, Int rows, Int count, const float* a, Int step, Int row, const float* g,
                      Int gstep, Int grow, float* c, Int cs, Int made) {
#define WEIGHTSPACE_ROWS(R)                                     \
  for (; depth >= R; depth -= R, a += R, c += R * cs)           \
  outer<V, R, B, Whole>(rows, count, a, step, row, g, gstep, grow, c, cs, made)
  if (depth % kRows && depth % 8 == 0) {
    WEIGHTSPACE_ROWS(8);
  }
  WEIGHTSPACE_ROWS(kRows);
  WEIGHTSPACE_ROWS(4);
  WEIGHTSPACE_ROWS(2);
  WEIGHTSPACE_ROWS(1);
#undef WEIGHTSPACE_ROWS
}

// The same for `depth` rows and `made` columns; c has rows of cs >= made rounded up to V.
template <int V>
inline void outers(Int depth, Int rows, Int count, const float* a, Int step, Int row, const float* g, Int gstep,
                   Int grow, float* c, Int cs, Int made) {
  Int k = 0;
  for (; made - k > V; k += 2 * V)
    made - k >= 2 * V
        ? outers_of<V, 2, true>(depth, rows, count, a, step, row, g + k, gstep, grow, c + k, cs, 0)
        : outers_of<V, 2, false>(depth, rows, count, a, step, row, g + k, gstep, grow, c + k, cs, made - k);
  if (k < made)
    made - k >= V ? outers_of<V, 1, true>(depth, rows, count, a, step, row, g + k, gstep, grow, c + k, cs, 0)
                  : outers_of<V, 1, false>(depth, rows, count, a, step, row, g + k, gstep, grow, c + k, cs, made - k);
}

// The same for R rows that do not follow one another: row r is at `at[r]`.
template <int V, int R, bool Whole>
inline void scattered(Int rows, Int count, const float* a, Int step, Int row, const Int* at, const float* g,
                      Int gstep, Int grow, float* c, Int cs, Int made) {
  Vec<V> sum[R] = {};
  Int place[R];
  for (int r = 0; r < R; ++r) place[r] = at[r];
  for (Int i = 0; i < rows; ++i) {
    const float *x = a + i * step, *y = g + i * gstep;
    for (Int p = 0; p < count; ++p, x += row, y += grow) {
      const Vec<V> b = load<V, Whole>(y, made);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) sum[r] += x[place[r]] * b;
    }
  }
  for (int r = 0; r < R; ++r) store<V>(c + r * cs, load<V>(c + r * cs) + sum[r]);
}

// Few channels: single rows of the kernel would leave each sum waiting for its last addition.
template <int V>
inline void few_outers(Int total, Int depth, Int line, Int rows, Int count, const float* a, Int step, Int row,
                       const float* g, Int gstep, Int grow, float* c, Int cs, Int made) {
  for (Int begin = 0; begin < total; begin += kFew) {
    Int at[kFew];
    const Int here = std::min(kFew, total - begin);
    for (Int r = 0; r < kFew; ++r) {
      const Int i = begin + std::min(r, here - 1);
      at[r] = i / depth * line + i % depth;
    }
    for (Int k = 0; k < made; k += V) {
      float* to = c + begin * cs + k;
      if (here == kFew)
        made - k >= V ? scattered<V, kFew, true>(rows, count, a, step, row, at, g + k, gstep, grow, to, cs, 0)
                      : scattered<V, kFew, false>(rows, count, a, step, row, at, g + k, gstep, grow, to, cs, made - k);
      else
        for (Int r = 0; r < here; ++r)
          scattered<V, 1, false>(rows, count, a, step, row, at + r, g + k, gstep, grow, to + r * cs, cs, made - k);
    }
  }
}

}  // namespace weightspace
