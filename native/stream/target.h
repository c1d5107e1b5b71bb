// The streaming kernels of one instruction set; see recurrent/target.h.
#pragma once

#include "../recurrent/problem.h"
#include "../recurrent/vectors.h"
// The cells need what a step is.
#include "../recurrent/cells/steps.h"
// One line a cell.
#include "../recurrent/cells/elman.h"
#include "../recurrent/cells/gru.h"
#include "../recurrent/cells/lstm.h"
#include "step.h"
