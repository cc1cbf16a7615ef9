/* What the kernels share: tables of items, lists of candidates, and an order by scores.
 *
 * Every kernel gives the bits that its NumPy form in the file of the same name gives: sums run in the same order, nothing
 * is reassociated or fused (-ffp-contract=off), and logarithms are NumPy's own, looked up. They take their memory from the
 * caller, call nothing of the system, and hold no state, so that any number of threads may run them.
 */
#ifndef AISLE_KERNELS_H
#define AISLE_KERNELS_H

#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))
#define PADDING_ROW 0

static inline uint32_t bits_of(float value) {
    union { float value; uint32_t bits; } both;
    both.value = value;
    return both.bits;
}

static inline float float_of(uint32_t bits) {
    union { uint32_t bits; float value; } both;
    both.bits = bits;
    return both.value;
}

/* Orders `n` scores, best first; the earlier position wins a tie, and what is no number comes last.
 *
 * Returns whichever of the buffers `[n]` holds the outcome: the positions are its lower 32 bits. */
const uint64_t *best_first(const float *scores, int64_t n, uint64_t *buffer, uint64_t *other);

/* Sorts `n` keys ascending by the bits from `low` up to `high`; returns whichever buffer holds the outcome. */
uint64_t *sort_keys(uint64_t *keys, uint64_t *other, int64_t n, int low, int high);

#endif
