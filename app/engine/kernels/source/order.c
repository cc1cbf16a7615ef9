/* Orders by scores: the best of each request's candidates. */
#include "kernels.h"

#define DIGIT 8
#define DIGITS (1 << DIGIT)

uint64_t *sort_keys(uint64_t *keys, uint64_t *other, int64_t n, int low, int high) {
    for (int shift = low; shift < high; shift += DIGIT) {
        int64_t starts[DIGITS] = {0};
        for (int64_t i = 0; i < n; i++) starts[(keys[i] >> shift) & (DIGITS - 1)]++;
        if (n && starts[(keys[0] >> shift) & (DIGITS - 1)] == n) continue; /* all have the same digit */
        int64_t start = 0;
        for (int digit = 0; digit < DIGITS; digit++) {
            int64_t count = starts[digit];
            starts[digit] = start;
            start += count;
        }
        for (int64_t i = 0; i < n; i++) other[starts[(keys[i] >> shift) & (DIGITS - 1)]++] = keys[i];
        uint64_t *sorted = other;
        other = keys;
        keys = sorted;
    }
    return keys;
}

const uint64_t *best_first(const float *scores, int64_t n, uint64_t *buffer, uint64_t *other) {
    for (int64_t i = 0; i < n; i++) {
        float score = scores[i] + 0.0f; /* one zero, without a sign */
        uint32_t bits = bits_of(score);
        uint32_t falling = bits >> 31 ? bits : ~(bits | 0x80000000u);
        if (score != score) falling = 0xFFFFFFFFu;
        buffer[i] = (uint64_t)falling << 32 | (uint64_t)i;
    }
    return sort_keys(buffer, other, n, 32, 64);
}

/* The `depth` best candidates of each request, as `rows`, `scores` and `sources` of `[batch, depth]`, which hold padding.
 *
 * scratch: `[2 n]` of the longest list of a request. */
EXPORT void best_of_requests(
    int64_t batch, const int64_t *offsets, const int64_t *rows, const uint8_t *sources, const float *scores, int64_t depth,
    int64_t longest, int64_t *best_rows, float *best_scores, uint8_t *best_sources, uint64_t *scratch) {
    for (int64_t request = 0; request < batch; request++) {
        int64_t start = offsets[request], n = offsets[request + 1] - start;
        const uint64_t *order = best_first(scores + start, n, scratch, scratch + longest);
        int64_t kept = n < depth ? n : depth;
        for (int64_t place = 0; place < kept; place++) {
            int64_t from = start + (int64_t)(order[place] & 0xFFFFFFFFu), to = request * depth + place;
            best_rows[to] = rows[from];
            best_scores[to] = scores[from];
            best_sources[to] = sources[from];
        }
        for (int64_t to = request * depth + kept; to < (request + 1) * depth; to++) {
            best_rows[to] = PADDING_ROW;
            best_scores[to] = -__builtin_inff();
            best_sources[to] = 0;
        }
    }
}

/* The sum `[n]` of some rows of `values`, `step` numbers each, each times its weight, in their order. */
EXPORT void weighted_rows(
    const float *values, int64_t step, int64_t n, const int64_t *rows, const float *weights, int64_t count, float *sums) {
    for (int64_t i = 0; i < n; i++) sums[i] = 0.0f;
    for (int64_t at = 0; at < count; at++) {
        const float *row = values + rows[at] * step;
        float weight = weights[at];
        for (int64_t i = 0; i < n; i++) sums[i] += weight * row[i];
    }
}
