// The three derivatives of T(x, k, g) = sum of g * (x conv k) in float32, images channels last, one thread.
//
// Two algorithms. Direct: a row of output pixels is a product of overlapping rows of the padded image with the
// kernel's rows; any window, stride and padding. Winograd F(4 x 4, 3 x 3): a tile of 6 x 6 pixels makes 4 x 4
// outputs with 36 products a pair of channels instead of 144. Every sum has one order, given by the shapes
// alone, so that bits depend neither on what runs beside nor on the number of examples before a given one.
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

// Sums over many examples are begun anew after so many parts, and added up in twice the precision.
constexpr Int kParts = 256;

inline void move(float* sum, double* total, Int count) {
  for (Int i = 0; i < count; ++i) {
    total[i] += sum[i];
    sum[i] = 0;
  }
}

struct Shape {
  Int batch, height, width, taken;   // of the inputs
  Int rows, columns, made;           // of the outputs
  Int window[2], stride[2], low[2];  // zeros before, along height and width
};

// One example with zeros around it; rows and columns that no window reaches are left out.
inline void pad(const float* x, Int height, Int width, Int channels, Int top, Int left, Int rows, Int columns,
                float* to) {
  const Int line = columns * channels;
  for (Int i = 0; i < rows; ++i, to += line) {
    const Int from = i - top;
    const Int begin = std::min(std::max<Int>(left, 0), columns);
    const Int end = std::max(begin, std::min(columns, left + width));
    if (from < 0 || from >= height || begin == end) {
      std::memset(to, 0, sizeof(float) * line);
      continue;
    }
    std::memset(to, 0, sizeof(float) * begin * channels);
    std::memcpy(to + begin * channels, x + (from * width + begin - left) * channels,
                sizeof(float) * (end - begin) * channels);
    std::memset(to + end * channels, 0, sizeof(float) * (columns - end) * channels);
  }
}

template <int V>
void direct_outputs(const float* x, const float* k, float* y, const Shape& s, Scratch& scratch) {
  const Int rows = (s.rows - 1) * s.stride[0] + s.window[0];
  const Int columns = (s.columns - 1) * s.stride[1] + s.window[1];
  const Int depth = s.window[1] * s.taken, wide = up(s.made, V);
  float* w = scratch.take(s.window[0] * depth * wide + rows * columns * s.taken);
  float* image = w + s.window[0] * depth * wide;
  for (Int i = 0; i < s.window[0] * depth; ++i) {
    std::memcpy(w + i * wide, k + i * s.made, sizeof(float) * s.made);
    std::memset(w + i * wide + s.made, 0, sizeof(float) * (wide - s.made));
  }
  const Int line = columns * s.taken;
  for (Int n = 0; n < s.batch; ++n) {
    pad(x + n * s.height * s.width * s.taken, s.height, s.width, s.taken, s.low[0], s.low[1], rows, columns,
        image);
    for (Int i = 0; i < s.rows; ++i)
      products<V>(s.columns, image + i * s.stride[0] * line, s.stride[1] * s.taken, line, s.window[0], depth, w,
                  wide, y + (n * s.rows + i) * s.columns * s.made, s.made, s.made);
  }
}

// Inputs of one remainder by the strides at a time: each is a convolution of g with some of the kernel's taps.
template <int V>
void direct_inputs(const float* k, const float* g, float* x, const Shape& s, Scratch& scratch) {
  const Int wide = up(s.taken, V);
  Int before[2], size[2];
  const Int image[2] = {s.height, s.width}, out[2] = {s.rows, s.columns};
  for (int d = 0; d < 2; ++d) {
    before[d] = s.window[d];
    size[d] = std::max(out[d], (image[d] - 1 + s.low[d]) / s.stride[d] + 1) + before[d];
  }
  const Int taps = s.window[0] * s.window[1] * s.made * wide;
  float* w = scratch.take(taps + size[0] * size[1] * s.made);
  float* padded = w + taps;
  const Int line = size[1] * s.made;
  for (Int n = 0; n < s.batch; ++n) {
    pad(g + n * s.rows * s.columns * s.made, s.rows, s.columns, s.made, before[0], before[1], size[0], size[1],
        padded);
    float* to = x + n * s.height * s.width * s.taken;
    float* v = w;
    for (Int p = 0; p < s.stride[0]; ++p)
      for (Int q = 0; q < s.stride[1]; ++q) {
        // Inputs i with (i + low) % stride = p; taps a = p + stride * t, farthest first.
        Int first[2], count[2], taps_of[2];
        const Int rest[2] = {p, q};
        for (int d = 0; d < 2; ++d) {
          first[d] = ((rest[d] - s.low[d]) % s.stride[d] + s.stride[d]) % s.stride[d];
          count[d] = first[d] < image[d] ? (image[d] - 1 - first[d]) / s.stride[d] + 1 : 0;
          taps_of[d] = rest[d] < s.window[d] ? (s.window[d] - 1 - rest[d]) / s.stride[d] + 1 : 0;
        }
        const Int depth = taps_of[1] * s.made;
        if (n == 0)
          for (Int a = 0; a < taps_of[0]; ++a)
            for (Int b = 0; b < taps_of[1]; ++b) {
              const Int row = p + s.stride[0] * (taps_of[0] - 1 - a);
              const Int column = q + s.stride[1] * (taps_of[1] - 1 - b);
              const float* tap = k + (row * s.window[1] + column) * s.taken * s.made;
              float* at = v + (a * depth + b * s.made) * wide;
              for (Int o = 0; o < s.made; ++o)
                for (Int c = 0; c < wide; ++c) at[o * wide + c] = c < s.taken ? tap[c * s.made + o] : 0;
            }
        for (Int i = 0; i < count[0]; ++i) {
          const Int row = (first[0] + i * s.stride[0] + s.low[0]) / s.stride[0] - taps_of[0] + 1 + before[0];
          const Int column = (first[1] + s.low[1]) / s.stride[1] - taps_of[1] + 1 + before[1];
          products<V>(count[1], padded + row * line + column * s.made, s.made, line, taps_of[0], depth, v, wide,
                      to + ((first[0] + i * s.stride[0]) * s.width + first[1]) * s.taken,
                      s.stride[1] * s.taken, s.taken);
        }
        v += taps_of[0] * depth * wide;
      }
  }
}

template <int V>
void direct_kernel(const float* x, const float* g, float* k, const Shape& s, Scratch& scratch) {
  const Int rows = (s.rows - 1) * s.stride[0] + s.window[0];
  const Int columns = (s.columns - 1) * s.stride[1] + s.window[1];
  const Int depth = s.window[1] * s.taken, wide = up(s.made, V), line = columns * s.taken;
  const Int size = up(s.window[0] * depth * wide, kLanes);
  float* sum = scratch.take(3 * size + rows * line);
  double* total = reinterpret_cast<double*>(sum + size);
  float* image = sum + 3 * size;
  std::memset(sum, 0, sizeof(float) * 3 * size);
  for (Int n = 0; n < s.batch; ++n) {
    if (n % kParts == 0) move(sum, total, size);
    pad(x + n * s.height * s.width * s.taken, s.height, s.width, s.taken, s.low[0], s.low[1], rows, columns,
        image);
    if (depth < 2 * kFew && depth % kFew * s.window[0] % kFew == 0) {
      few_outers<V>(s.window[0] * depth, depth, line, s.rows, s.columns, image, s.stride[0] * line,
                    s.stride[1] * s.taken, g + n * s.rows * s.columns * s.made, s.columns * s.made, s.made, sum,
                    wide, s.made);
      continue;
    }
    for (Int a = 0; a < s.window[0]; ++a)
      outers<V>(depth, s.rows, s.columns, image + a * line, s.stride[0] * line, s.stride[1] * s.taken,
                g + n * s.rows * s.columns * s.made, s.columns * s.made, s.made, sum + a * depth * wide, wide,
                s.made);
  }
  move(sum, total, size);
  for (Int i = 0; i < s.window[0] * depth; ++i)
    for (Int o = 0; o < s.made; ++o) k[i * s.made + o] = static_cast<float>(total[i * wide + o]);
}

// Winograd F(4 x 4, 3 x 3): y = A'[(G k G') * (B' d B)]A with the points 0, a, -a, b, -b and infinity.
// With a = 3/4 and b = 3/2 errors are a third of those with the usual 1 and 2, which are exact but uneven.
constexpr float kA = 0.75f, kB = 1.5f, kA2 = kA * kA, kB2 = kB * kB;
constexpr float kOverA = 1 / (2 * kA2 * (kA2 - kB2)), kOverB = 1 / (2 * kB2 * (kB2 - kA2)), kOver0 = 1 / (kA2 * kB2);

template <class T>
inline void transform_inputs(const T (&d)[6], T (&t)[6]) {  // B'
  const T even_a = d[4] - kB2 * d[2], odd_a = d[3] - kB2 * d[1];
  const T even_b = d[4] - kA2 * d[2], odd_b = d[3] - kA2 * d[1];
  t[0] = kA2 * kB2 * d[0] - (kA2 + kB2) * d[2] + d[4];
  t[1] = even_a + kA * odd_a;
  t[2] = even_a - kA * odd_a;
  t[3] = even_b + kB * odd_b;
  t[4] = even_b - kB * odd_b;
  t[5] = kA2 * kB2 * d[1] - (kA2 + kB2) * d[3] + d[5];
}

template <class T>
inline void transform_kernel(const T (&k)[3], T (&t)[6]) {  // G
  const T even_a = kOverA * (k[0] + kA2 * k[2]), odd_a = kOverA * kA * k[1];
  const T even_b = kOverB * (k[0] + kB2 * k[2]), odd_b = kOverB * kB * k[1];
  t[0] = kOver0 * k[0];
  t[1] = even_a + odd_a;
  t[2] = even_a - odd_a;
  t[3] = even_b + odd_b;
  t[4] = even_b - odd_b;
  t[5] = k[2];
}

template <class T>
inline void gather_kernel(const T (&t)[6], T (&k)[3]) {  // G'
  const T even_a = kOverA * (t[1] + t[2]), odd_a = kOverA * kA * (t[1] - t[2]);
  const T even_b = kOverB * (t[3] + t[4]), odd_b = kOverB * kB * (t[3] - t[4]);
  k[0] = kOver0 * t[0] + even_a + even_b;
  k[1] = odd_a + odd_b;
  k[2] = kA2 * even_a + kB2 * even_b + t[5];
}

template <class T>
inline void gather_outputs(const T (&m)[6], T (&y)[4]) {  // A'
  const T even_a = m[1] + m[2], odd_a = kA * (m[1] - m[2]), even_b = m[3] + m[4], odd_b = kB * (m[3] - m[4]);
  y[0] = m[0] + even_a + even_b;
  y[1] = odd_a + odd_b;
  y[2] = kA2 * even_a + kB2 * even_b;
  y[3] = kA2 * odd_a + kB2 * odd_b + m[5];
}

template <class T>
inline void spread_outputs(const T (&g)[4], T (&m)[6]) {  // A
  const T even_a = g[0] + kA2 * g[2], odd_a = kA * (g[1] + kA2 * g[3]);
  const T even_b = g[0] + kB2 * g[2], odd_b = kB * (g[1] + kB2 * g[3]);
  m[0] = g[0];
  m[1] = even_a + odd_a;
  m[2] = even_a - odd_a;
  m[3] = even_b + odd_b;
  m[4] = even_b - odd_b;
  m[5] = g[3];
}

// Pixels row + i, column + j of an image; outside of it are zeros.
template <int N>
struct Window {
  const float* corner;
  Int line, channels;
  bool inside;
  const float* at[N][N];

  Window(const float* image, Int height, Int width, Int channels, Int row, Int column, const float* zeros,
         bool partial)
      : corner(image + (row * width + column) * channels),
        line(width * channels),
        channels(channels),
        inside(row >= 0 && row + N <= height && column >= 0 && column + N <= width) {
    if (inside && !partial) return;
    for (int i = 0; i < N; ++i)
      for (int j = 0; j < N; ++j) {
        const bool there = row + i >= 0 && row + i < height && column + j >= 0 && column + j < width;
        at[i][j] = there ? corner + i * line + j * channels : zeros;
      }
  }

  template <bool Inside>
  const float* pixel(int i, int j) const {
    return Inside ? corner + i * line + j * channels : at[i][j];
  }
};

constexpr int kTile = 4, kReach = 6, kPoints = kReach * kReach;

struct Tiles {
  Int down, across, count;
  Tiles(Int batch, Int rows, Int columns)
      : down((rows + kTile - 1) / kTile), across((columns + kTile - 1) / kTile), count(batch * down * across) {}
  void place(Int tile, Int& n, Int& row, Int& column) const {
    n = tile / (down * across);
    row = tile / across % down * kTile;
    column = tile % across * kTile;
  }
};

template <int V, bool Inside, bool Whole>
inline void tile_of_inputs(const Window<kReach>& d, Int channels, float* v, Int plane) {
  for (Int c = 0; c < channels; c += V) {
    Vec<V> s[kReach][kReach], one[kReach], t[kReach];
#pragma GCC unroll 6
    for (int j = 0; j < kReach; ++j) {
#pragma GCC unroll 6
      for (int i = 0; i < kReach; ++i) one[i] = load<V, Whole>(d.pixel<Inside>(i, j) + c, channels - c);
      transform_inputs(one, t);
#pragma GCC unroll 6
      for (int i = 0; i < kReach; ++i) s[i][j] = t[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < kReach; ++i) {
      transform_inputs(s[i], t);
#pragma GCC unroll 6
      for (int j = 0; j < kReach; ++j) store<V>(v + (i * kReach + j) * plane + c, t[j]);
    }
  }
}

template <int V, bool Inside, bool Whole>
inline void tile_of_gradients(const Window<kTile>& g, Int channels, float* m, Int plane) {
  for (Int c = 0; c < channels; c += V) {
    Vec<V> s[kReach][kTile], one[kTile], t[kReach];
#pragma GCC unroll 6
    for (int j = 0; j < kTile; ++j) {
#pragma GCC unroll 6
      for (int i = 0; i < kTile; ++i) one[i] = load<V, Whole>(g.pixel<Inside>(i, j) + c, channels - c);
      spread_outputs(one, t);
#pragma GCC unroll 6
      for (int i = 0; i < kReach; ++i) s[i][j] = t[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < kReach; ++i) {
      spread_outputs(s[i], t);
#pragma GCC unroll 6
      for (int j = 0; j < kReach; ++j) store<V>(m + (i * kReach + j) * plane + c, t[j]);
    }
  }
}

template <int V, bool Whole>
inline void tile_of_outputs(const float* m, Int plane, Int channels, float* y, Int rows, Int columns, Int line) {
  for (Int c = 0; c < channels; c += V) {
    Vec<V> s[kTile][kReach], one[kReach], t[kTile];
#pragma GCC unroll 6
    for (int j = 0; j < kReach; ++j) {
#pragma GCC unroll 6
      for (int i = 0; i < kReach; ++i) one[i] = load<V>(m + (i * kReach + j) * plane + c);
      gather_outputs(one, t);
#pragma GCC unroll 6
      for (int i = 0; i < kTile; ++i) s[i][j] = t[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < kTile && (Whole || i < rows); ++i) {
      gather_outputs(s[i], t);
#pragma GCC unroll 6
      for (int j = 0; j < kTile && (Whole || j < columns); ++j)
        store<V, Whole>(y + i * line + j * channels + c, t[j], channels - c);
    }
  }
}

// Most tiles lie inside of their images and have whole vectors of channels.
#define WEIGHTSPACE_TILE(function, window, channels, to, plane)                        \
  (channels) % V ? function<V, false, false>(window, channels, to, plane)              \
  : (window).inside ? function<V, true, true>(window, channels, to, plane)             \
                    : function<V, false, true>(window, channels, to, plane)

// Tiles at once: what they take and make stays in the second cache.
constexpr Int kFloatsAtOnce = 50'000;

inline Int tiles_at_once(Int channels, Int floats) {
  return std::max<Int>(kRows, floats / (kPoints * channels) / kRows * kRows);
}

// y = x conv k, windows of 3 x 3, stride 1; `turned` takes k turned by half a turn, its channels exchanged.
template <int V>
void winograd_outputs(const float* x, const float* k, float* y, const Shape& s, bool turned, Scratch& scratch) {
  const Int taken = up(s.taken, V), made = up(s.made, V);
  const Tiles tiles(s.batch, s.rows, s.columns);
  const Int at_once = std::min(tiles_at_once(taken + made, kFloatsAtOnce), up(tiles.count, kRows));
  const Int plane = at_once * taken + V, out = at_once * made + V, kernel = s.taken * made;
  float* u = scratch.take(kPoints * (kernel + plane + out) + taken);
  float *v = u + kPoints * kernel, *m = v + kPoints * plane, *zeros = m + kPoints * out;
  std::memset(u, 0, sizeof(float) * kPoints * kernel);
  std::memset(zeros, 0, sizeof(float) * taken);
  for (Int c = 0; c < s.taken; ++c)
    for (Int o = 0; o < s.made; ++o) {
      float rows[3][kReach], t[kReach];
      for (int i = 0; i < 3; ++i) {
        float tap[3];
        for (int j = 0; j < 3; ++j)
          tap[j] = turned ? k[(((2 - i) * 3 + 2 - j) * s.made + o) * s.taken + c]
                          : k[((i * 3 + j) * s.taken + c) * s.made + o];
        transform_kernel(tap, rows[i]);
      }
      for (int j = 0; j < kReach; ++j) {
        const float column[3] = {rows[0][j], rows[1][j], rows[2][j]};
        transform_kernel(column, t);
        for (int i = 0; i < kReach; ++i) u[(i * kReach + j) * kernel + c * made + o] = t[i];
      }
    }
  for (Int begin = 0; begin < tiles.count; begin += at_once) {
    const Int count = std::min(at_once, tiles.count - begin);
    Int n, row, column;
    for (Int t = 0; t < count; ++t) {
      tiles.place(begin + t, n, row, column);
      const Window<kReach> window(x + n * s.height * s.width * s.taken, s.height, s.width, s.taken,
                                  row - s.low[0], column - s.low[1], zeros, s.taken != taken);
      WEIGHTSPACE_TILE(tile_of_inputs, window, s.taken, v + t * taken, plane);
    }
    for (int f = 0; f < kPoints; ++f)
      products<V>(count, v + f * plane, taken, 0, 1, s.taken, u + f * kernel, made, m + f * out, made, made);
    for (Int t = 0; t < count; ++t) {
      tiles.place(begin + t, n, row, column);
      float* to = y + ((n * s.rows + row) * s.columns + column) * s.made;
      const Int rows = s.rows - row, columns = s.columns - column, line = s.columns * s.made;
      rows >= kTile && columns >= kTile && s.made == made
          ? tile_of_outputs<V, true>(m + t * made, out, s.made, to, rows, columns, line)
          : tile_of_outputs<V, false>(m + t * made, out, s.made, to, rows, columns, line);
    }
  }
}

template <int V>
void winograd_kernel(const float* x, const float* g, float* k, const Shape& s, Scratch& scratch) {
  const Int taken = up(s.taken, V), made = up(s.made, V);
  const Tiles tiles(s.batch, s.rows, s.columns);
  const Int at_once = std::min(tiles_at_once(taken + made, 2 * kFloatsAtOnce), up(tiles.count, kRows));
  const Int plane = at_once * taken + V, out = at_once * made + V, kernel = taken * made;
  float* u = scratch.take(kPoints * (3 * kernel + plane + out) + std::max(taken, made));
  double* total = reinterpret_cast<double*>(u + kPoints * kernel);
  float *v = u + 3 * kPoints * kernel, *m = v + kPoints * plane, *zeros = m + kPoints * out;
  const bool many = (tiles.count - 1) / at_once >= kParts;
  std::memset(u, 0, sizeof(float) * (many ? 3 : 1) * kPoints * kernel);
  std::memset(zeros, 0, sizeof(float) * std::max(taken, made));
  for (Int begin = 0; begin < tiles.count; begin += at_once) {
    const Int count = std::min(at_once, tiles.count - begin);
    if (many && begin / at_once % kParts == 0) move(u, total, kPoints * kernel);
    for (Int t = 0; t < count; ++t) {
      Int n, row, column;
      tiles.place(begin + t, n, row, column);
      const Window<kReach> window(x + n * s.height * s.width * s.taken, s.height, s.width, s.taken,
                                  row - s.low[0], column - s.low[1], zeros, s.taken != taken);
      WEIGHTSPACE_TILE(tile_of_inputs, window, s.taken, v + t * taken, plane);
      const Window<kTile> gradients(g + n * s.rows * s.columns * s.made, s.rows, s.columns, s.made, row, column,
                                    zeros, s.made != made);
      WEIGHTSPACE_TILE(tile_of_gradients, gradients, s.made, m + t * made, out);
    }
    for (int f = 0; f < kPoints; ++f)
      outers<V>(taken, 1, count, v + f * plane, 0, taken, m + f * out, 0, made, u + f * kernel, made, made);
  }
  if (many) move(u, total, kPoints * kernel);
  for (Int c = 0; c < s.taken; ++c)
    for (Int o = 0; o < s.made; ++o) {
      double rows[3][kReach], tap[3];
      for (int j = 0; j < kReach; ++j) {
        double column[kReach];
        for (int i = 0; i < kReach; ++i) {
          const Int at = (i * kReach + j) * kernel + c * made + o;
          column[i] = many ? total[at] : u[at];
        }
        gather_kernel(column, tap);
        for (int i = 0; i < 3; ++i) rows[i][j] = tap[i];
      }
      for (int i = 0; i < 3; ++i) {
        gather_kernel(rows[i], tap);
        for (int j = 0; j < 3; ++j) k[((i * 3 + j) * s.taken + c) * s.made + o] = static_cast<float>(tap[j]);
      }
    }
}

}  // namespace weightspace
