#define TIMESTEPS_TARGET avx512
#define TIMESTEPS_BYTES 64
#include "target.h"
