// The streaming kernels of int8 weights for one instruction set. Unlike all others they give the same bits on every
// processor: sums of whole numbers are exact, and what follows them is compiled without fused multiply-add.
#pragma once

#define TIMESTEPS_PLAIN_PRODUCTS
#include "../../recurrent/problem.h"
#include "../../recurrent/vectors.h"
// The cells need what a step is.
#include "../../recurrent/cells/steps.h"
// One line a cell.
#include "../../recurrent/cells/elman.h"
#include "../../recurrent/cells/gru.h"
#include "../../recurrent/cells/lstm.h"
#include "step.h"
