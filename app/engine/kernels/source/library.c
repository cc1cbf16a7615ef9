/* What a library says of itself, and of the processor. */
#include "kernels.h"

/* The hash of the source that it was made of. */
EXPORT const char *kernels_source(void) { return SOURCE_HASH; }

#if defined(__x86_64__)

#define FMA (1u << 12)
#define SAVES_REGISTERS (1u << 27)
#define HALVES (1u << 29)
#define BMI1 (1u << 3)
#define AVX2 (1u << 5)
#define BMI2 (1u << 8)
#define MOVBE (1u << 22)
#define LZCNT (1u << 5)
#define AVX512F (1u << 16)
#define AVX512VL (1u << 31)
#define VNNI (1u << 11)

static void ask(uint32_t leaf, uint32_t *b, uint32_t *c) {
    uint32_t a = leaf, d;
    *c = 0;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(*b), "+c"(*c), "=d"(d));
}

static int has(uint32_t said, uint32_t wanted) { return (said & wanted) == wanted; }

/* Whether processor and system have what x86-64's third level is: the library made for it runs then. */
EXPORT int has_third_level(void) {
    uint32_t b, c, most, low, high;
    __asm__ volatile("cpuid" : "=a"(most), "=b"(b), "=c"(c), "=d"(high) : "a"(0));
    if (most < 7) return 0;
    ask(1, &b, &c);
    if (!has(c, FMA | SAVES_REGISTERS | HALVES | MOVBE)) return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if (!has(low, 6)) return 0; /* the system keeps 256 bits a register */
    ask(7, &b, &c);
    if (!has(b, BMI1 | AVX2 | BMI2)) return 0;
    ask(0x80000001u, &b, &c);
    return has(c, LZCNT);
}

#if defined(__AVX2__)

/* Whether they have the products of bytes that VNNI is. */
static int has_byte_products(void) {
    uint32_t b, c, low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if (!has(low, 0xE6)) return 0; /* the system keeps all of what AVX-512 has */
    ask(7, &b, &c);
    return has(b, AVX512F | AVX512VL) && has(c, VNNI);
}

#endif

#else

EXPORT int has_third_level(void) { return 0; }

#endif

/* How fast `nearest_items` multiplies here: 0 without instructions of its own, 1 with AVX2, 2 with VNNI. */
EXPORT int product_level(void) {
#if defined(__AVX2__)
    return has_byte_products() ? 2 : 1;
#else
    return 0;
#endif
}
