#define TIMESTEPS_TARGET avx2
#define TIMESTEPS_BYTES 32
#include "target.h"
