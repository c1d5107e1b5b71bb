#define TIMESTEPS_TARGET int8_avx2
#define TIMESTEPS_BYTES 32
#include "target.h"
