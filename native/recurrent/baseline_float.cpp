#define TIMESTEPS_TARGET baseline
#define TIMESTEPS_BYTES 16
#define TIMESTEPS_NUMBER float
#include "target.h"
