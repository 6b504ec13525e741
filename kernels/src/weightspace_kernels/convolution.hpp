// The three derivatives of T(x, k, g) = sum of g * (x conv k) in float32, images channels last, one thread.
//
// Two algorithms. Direct: a row of output pixels is a product of overlapping rows of the padded image with the
// kernel's rows; any window, stride and padding. Winograd F(4 x 4, 3 x 3): a tile of 6 x 6 pixels makes 4 x 4
// outputs with 36 products a pair of channels instead of 144. Every sum has one order, given by the shapes
// alone, so that bits depend neither on what runs beside nor on the number of examples before a given one.
#pragma once

#include "direct.hpp"
#include "winograd.hpp"
