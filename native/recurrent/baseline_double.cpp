#define TIMESTEPS_TARGET baseline
#define TIMESTEPS_BYTES 16
#define TIMESTEPS_NUMBER double
#include "target.h"
