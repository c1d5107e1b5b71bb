#define TIMESTEPS_TARGET int8_vnni
#define TIMESTEPS_BYTES 64
#include "target.h"
