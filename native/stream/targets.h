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
    StepKernels step_kernels(CellKind kind);                                                                 \
    void dense(const float* weight, const float* bias, const float* x, std::int64_t outputs, std::int64_t width, \
               float* y);                                                                                    \
    }
TIMESTEPS_STEP_KERNELS(baseline)
#if defined(__x86_64__)
TIMESTEPS_STEP_KERNELS(avx2)
TIMESTEPS_STEP_KERNELS(avx512)
#endif
#undef TIMESTEPS_STEP_KERNELS

inline StepKernels step_kernels(CellKind kind, std::int64_t hidden) {
    static_cast<void>(hidden);
#if defined(__x86_64__)
    // Sixteen numbers a vector are half empty at eight units.
    if (target() == Target::kAvx512 && hidden > 8) return avx512::step_kernels(kind);
    if (target() != Target::kBaseline) return avx2::step_kernels(kind);
#endif
    return baseline::step_kernels(kind);
}

inline Dense dense_kernel() {
#if defined(__x86_64__)
    if (target() == Target::kAvx512) return avx512::dense;
    if (target() == Target::kAvx2) return avx2::dense;
#endif
    return baseline::dense;
}

}  // namespace timesteps
