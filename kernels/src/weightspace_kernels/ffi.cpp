// The kernels as XLA calls them: three targets, one a derivative; attributes say the window's geometry.
#include "convolution.hpp"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;
using weightspace::Int;
using weightspace::kLanes;
using weightspace::kNarrow;
using weightspace::Scratch;
using weightspace::Shape;

namespace {

using In = ffi::Buffer<ffi::F32>;
using Out = ffi::ResultBuffer<ffi::F32>;

Scratch& scratch() {
  thread_local Scratch own;
  return own;
}

template <class Inputs, class Kernel, class Outputs>
Shape shape(const Inputs& x, const Kernel& k, const Outputs& y, Int down, Int across, Int top, Int left) {
  return {x[0], x[1], x[2], x[3], y[1], y[2], y[3], {k[0], k[1]}, {down, across}, {top, left}};
}

bool tiled(const Shape& s, Int least) {
  return s.window[0] == 3 && s.window[1] == 3 && s.stride[0] == 1 && s.stride[1] == 1 && s.taken >= least &&
         s.made >= least && s.rows >= 3 && s.columns >= 3;
}

ffi::Error Outputs(In x, In k, Int down, Int across, Int top, Int left, Int least, Out y) {
  const Shape s = shape(x.dimensions(), k.dimensions(), y->dimensions(), down, across, top, left);
  const float *a = x.typed_data(), *b = k.typed_data();
  float* c = y->typed_data();
  const bool narrow = s.made <= kNarrow && (s.taken <= kNarrow || !tiled(s, least));
  if (tiled(s, least))
    narrow ? weightspace::winograd_outputs<kNarrow>(a, b, c, s, false, scratch())
           : weightspace::winograd_outputs<kLanes>(a, b, c, s, false, scratch());
  else
    narrow ? weightspace::direct_outputs<kNarrow>(a, b, c, s, scratch())
           : weightspace::direct_outputs<kLanes>(a, b, c, s, scratch());
  return ffi::Error::Success();
}

ffi::Error Inputs(In k, In g, Int down, Int across, Int top, Int left, Int least, Out x) {
  const Shape s = shape(x->dimensions(), k.dimensions(), g.dimensions(), down, across, top, left);
  const float *a = k.typed_data(), *b = g.typed_data();
  float* c = x->typed_data();
  if (tiled(s, least) && s.height >= 3 && s.width >= 3) {
    Shape t = {s.batch, s.rows, s.columns, s.made, s.height, s.width, s.taken, {3, 3}, {1, 1},
               {2 - s.low[0], 2 - s.low[1]}};
    std::max(s.taken, s.made) <= kNarrow ? weightspace::winograd_outputs<kNarrow>(b, a, c, t, true, scratch())
                                         : weightspace::winograd_outputs<kLanes>(b, a, c, t, true, scratch());
  } else {
    s.taken <= kNarrow ? weightspace::direct_inputs<kNarrow>(a, b, c, s, scratch())
                       : weightspace::direct_inputs<kLanes>(a, b, c, s, scratch());
  }
  return ffi::Error::Success();
}

ffi::Error Kernel(In x, In g, Int down, Int across, Int top, Int left, Int least, Out k) {
  const Shape s = shape(x.dimensions(), k->dimensions(), g.dimensions(), down, across, top, left);
  const float *a = x.typed_data(), *b = g.typed_data();
  float* c = k->typed_data();
  if (tiled(s, least))
    std::max(s.taken, s.made) <= kNarrow ? weightspace::winograd_kernel<kNarrow>(a, b, c, s, scratch())
                                         : weightspace::winograd_kernel<kLanes>(a, b, c, s, scratch());
  else
    s.made <= kNarrow ? weightspace::direct_kernel<kNarrow>(a, b, c, s, scratch())
                      : weightspace::direct_kernel<kLanes>(a, b, c, s, scratch());
  return ffi::Error::Success();
}

}  // namespace

#define WEIGHTSPACE_TARGET(symbol, function)                                           \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(symbol, function,                                      \
                                ffi::Ffi::Bind()                                       \
                                    .Arg<In>()                                         \
                                    .Arg<In>()                                         \
                                    .Attr<Int>("down")                                 \
                                    .Attr<Int>("across")                               \
                                    .Attr<Int>("top")                                  \
                                    .Attr<Int>("left")                                 \
                                    .Attr<Int>("least")                                \
                                    .Ret<In>())

WEIGHTSPACE_TARGET(weightspace_outputs, Outputs);
WEIGHTSPACE_TARGET(weightspace_inputs, Inputs);
WEIGHTSPACE_TARGET(weightspace_kernel, Kernel);
