/* Which of the instruction sets that code was compiled for a processor has. */
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

/* Compilers differ in which of these they know by name. LZCNT runs as another instruction where it is missing. */
static int nbn_has_small_extensions(void) {
    unsigned a, b, c, d, extended;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !__get_cpuid(0x80000001, &a, &b, &extended, &d)) return 0;
    return (c >> 22 & 1) && (c >> 29 & 1) && (extended >> 5 & 1); /* MOVBE, F16C, LZCNT */
}
#endif

static int nbn_can_run(const char *name) {
#if defined(__x86_64__)
    if (strcmp(name, "x86-64") == 0) return 1;
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 0;
    if (!__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2")) return 0;
    if (!nbn_has_small_extensions()) return 0;
    if (strcmp(name, "x86-64-v4") != 0) return 1;
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
#else
    return name != NULL;
#endif
}
