// Winograd F(4 x 4, 3 x 3): a tile of 6 x 6 pixels makes 4 x 4 outputs with 36 products a pair of channels
// instead of 144; windows of 3 x 3 with stride 1.
#pragma once

#include "direct.hpp"

namespace weightspace {

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
