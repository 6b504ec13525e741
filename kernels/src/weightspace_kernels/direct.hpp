// Direct sums: a row of output pixels is a product of overlapping rows of the padded image with the kernel's
// rows; any window, stride and padding. One example after the other, so that each has bits of its own.
#pragma once

#include "products.hpp"

namespace weightspace {

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

}  // namespace weightspace
