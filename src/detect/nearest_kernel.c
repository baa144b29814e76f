#include "detect/nearest_kernel.h"

/* What every processor of this architecture has: SSE, NEON. */
#define LANES 4
#define ROWS 3
#define BIT_OF_LANE ((TRUTHS){1, 2, 4, 8})
#define TARGET
#define MULTIPLY multiply_plain
#define DISTANCE2 distance2_plain
#include "detect/nearest_loops.h"

static const VelmNearestKernel plain = {"plain", multiply_plain, distance2_plain};

#if defined(__x86_64__)

#define LANES 8
#define ROWS 3
#define BIT_OF_LANE ((TRUTHS){1, 2, 4, 8, 16, 32, 64, 128})
#define TARGET __attribute__((target("avx2,fma")))
#define MULTIPLY multiply_avx2
#define DISTANCE2 distance2_avx2
#include "detect/nearest_loops.h"

static const VelmNearestKernel avx2 = {"avx2", multiply_avx2, distance2_avx2};

#define LANES 16
#define ROWS 6
#define BIT_OF_LANE                                                                                \
  ((TRUTHS){1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768})
#define TARGET __attribute__((target("avx512f")))
#define MULTIPLY multiply_avx512
#define DISTANCE2 distance2_avx512
#include "detect/nearest_loops.h"

static const VelmNearestKernel avx512 = {"avx512f", multiply_avx512, distance2_avx512};

const VelmNearestKernel *velm_nearest_kernel(void) {
  if (__builtin_cpu_supports("avx512f"))
    return &avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return &avx2;
  return &plain;
}

#else

const VelmNearestKernel *velm_nearest_kernel(void) { return &plain; }

#endif
