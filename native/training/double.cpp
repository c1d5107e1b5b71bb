// The trainer in double precision, which is for checks: compiled by itself, for size.
#include "trainer_bind.h"

namespace timesteps::training {

template void bind_trainer<double>(nb::module_& module, const char* name);

}  // namespace timesteps::training
