#define TIMESTEPS_TARGET avx512
#define TIMESTEPS_BYTES 64
#define TIMESTEPS_NUMBER float
#include "target.h"
