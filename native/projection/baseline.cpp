#define TIMESTEPS_TARGET baseline
#define TIMESTEPS_BYTES 16
#include "target.h"
