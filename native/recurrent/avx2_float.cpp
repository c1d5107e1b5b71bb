#define TIMESTEPS_TARGET avx2
#define TIMESTEPS_BYTES 32
#define TIMESTEPS_NUMBER float
#include "target.h"
