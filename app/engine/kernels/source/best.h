/* The best of many scores: keys that sort by them, and a score that the best should reach. */
#ifndef AISLE_BEST_H
#define AISLE_BEST_H

#include "kernels.h"

#define SAMPLE 1024   /* scores that a threshold is guessed from, up to twice as many */
#define SIDE 16
#define HEIGHTS 256   /* steps that it may take */
#define LOWEST (-__FLT_MAX__)

/* Sorts the better score first, and the lower row first of equal ones. */
static inline uint64_t key_of(float score, int64_t row) {
    uint32_t bits = bits_of(score + 0.0f); /* one zero, without a sign */
    return (uint64_t)(bits >> 31 ? bits : ~(bits | 0x80000000u)) << 32 | (uint64_t)row;
}

/* The score that a key has, a zero without its sign. */
static inline float score_in(uint64_t key) {
    uint32_t bits = (uint32_t)(key >> 32);
    return float_of(bits >> 31 ? bits : ~bits & 0x7FFFFFFFu);
}

/* How many items one of a sample stands for, or 0 where nothing is worth guessing. */
static inline int64_t sample_step(int64_t rows, int64_t k) {
    int64_t step = rows / SAMPLE;
    return step < 2 || k * 4 > rows ? 0 : step;
}

/* A score that all of the best `k` should reach and few others do, by the scores of every `step`-th item; it may be too large.
 *
 * Without a guess it is LOWEST. */
static inline float guess_of(const float *sample, int64_t count, int64_t step, int64_t k) {
    float largest = LOWEST, least = -LOWEST, highs[SIDE], lows[SIDE]; /* side by side, which a processor compares at once */
    for (int lane = 0; lane < SIDE; lane++) highs[lane] = largest, lows[lane] = least;
    int64_t even = count / SIDE * SIDE;
    for (int64_t i = 0; i < even; i += SIDE) {
        for (int lane = 0; lane < SIDE; lane++) {
            highs[lane] = sample[i + lane] > highs[lane] ? sample[i + lane] : highs[lane];
            lows[lane] = sample[i + lane] < lows[lane] ? sample[i + lane] : lows[lane];
        }
    }
    for (int64_t i = even; i < count; i++) {
        largest = sample[i] > largest ? sample[i] : largest;
        least = sample[i] < least ? sample[i] : least;
    }
    for (int lane = 0; lane < SIDE; lane++) {
        largest = highs[lane] > largest ? highs[lane] : largest;
        least = lows[lane] < least ? lows[lane] : least;
    }
    int64_t place = k / step + k / step / 2 + 8;
    if (place >= count || !(least < largest)) return LOWEST;
    int32_t heights[HEIGHTS] = {0};
    float width = (largest - least) / HEIGHTS, to_heights = 1.0f / width;
    if (!(to_heights > 0.0f && to_heights < __builtin_inff())) return LOWEST;
    for (int64_t i = 0; i < count; i++) {
        int32_t height = (int32_t)((largest - sample[i]) * to_heights);
        heights[height < HEIGHTS ? height : HEIGHTS - 1]++;
    }
    int64_t above = 0;
    int32_t height = 0;
    while (height < HEIGHTS && above <= place) above += heights[height++];
    return largest - width * (float)height;
}

#endif
