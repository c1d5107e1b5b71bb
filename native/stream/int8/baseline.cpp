#define TIMESTEPS_TARGET int8_baseline
#define TIMESTEPS_BYTES 16
#include "target.h"
