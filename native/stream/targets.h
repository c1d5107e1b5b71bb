// The streaming kernels that this processor runs.
#pragma once

#include "../recurrent/targets.h"
#include "kernels.h"

namespace timesteps {

/// y (outputs) = bias + weight x, with weight (outputs, width) and width a multiple of kPadding.
using Dense = void (*)(const float* weight, const float* bias, const float* x, std::int64_t outputs,
                       std::int64_t width, float* y);

#define TIMESTEPS_STEP_KERNELS(target)                                                                       \
    namespace target {                                                                                       \
    StepKernels step_kernels(CellKind kind, const StepShape& shape);                                                                 \
    void dense(const float* weight, const float* bias, const float* x, std::int64_t outputs, std::int64_t width, \
               float* y);                                                                                    \
    }
namespace int8_baseline {
StepKernels int8_kernels(CellKind kind);
}
TIMESTEPS_STEP_KERNELS(baseline)
#if defined(__x86_64__)
TIMESTEPS_STEP_KERNELS(avx2)
TIMESTEPS_STEP_KERNELS(avx512)
namespace int8_avx2 {
StepKernels int8_kernels(CellKind kind);
}
namespace int8_vnni {
StepKernels int8_kernels(CellKind kind);
}
#endif
#undef TIMESTEPS_STEP_KERNELS

inline StepKernels step_kernels(CellKind kind, const StepShape& shape) {
#if defined(__x86_64__)
    // Sixteen numbers a vector are half empty at eight units.
    if (target() == Target::kAvx512 && shape.hidden_size > 8) return avx512::step_kernels(kind, shape);
    if (target() != Target::kBaseline) return avx2::step_kernels(kind, shape);
#endif
    return baseline::step_kernels(kind, shape);
}

/// Of weights in int8.
inline StepKernels int8_kernels(CellKind kind, std::int64_t hidden) {
    static_cast<void>(hidden);
#if defined(__x86_64__)
    if (target() == Target::kAvx512 && hidden > 8 && __builtin_cpu_supports("avx512vnni"))
        return int8_vnni::int8_kernels(kind);
    if (target() != Target::kBaseline) return int8_avx2::int8_kernels(kind);
#endif
    return int8_baseline::int8_kernels(kind);
}

inline Dense dense_kernel() {
#if defined(__x86_64__)
    if (target() == Target::kAvx512) return avx512::dense;
    if (target() == Target::kAvx2) return avx2::dense;
#endif
    return baseline::dense;
}

}  // namespace timesteps
