/* The best items of a search: from the whole-number products of a query with all items to the few with the best scores. */
#include "best.h"

#define BLOCK 32 /* scores that are compared with a threshold at once */

static inline float score_of(const int32_t *products, float unit, const float *scales, int64_t row) {
    return (float)products[row] * unit * scales[row];
}

/* A threshold, see `guess_of`. sample: `[rows / step + 1]`. */
static float guess(
    const int32_t *products, float unit, const float *scales, const uint8_t *allowed, int64_t rows, int64_t k,
    float *sample) {
    int64_t step = sample_step(rows, k), count = 0;
    if (!step) return LOWEST;
    for (int64_t row = step / 2; row < rows; row += step) {
        float score = score_of(products, unit, scales, row);
        sample[count] = score;
        count += allowed[row] && score == score;
    }
    return guess_of(sample, count, step, k);
}

/* Writes the keys of allowed items that reach the least score; returns how many. */
static int64_t reach(
    const int32_t *products, float unit, const float *scales, const uint8_t *allowed, int64_t rows, float least,
    uint64_t *keys) {
    int64_t count = 0, row = 0;
    for (; row + BLOCK <= rows; row += BLOCK) {
        union { uint8_t each[BLOCK]; uint64_t eight[BLOCK / 8]; } hits;
        for (int i = 0; i < BLOCK; i++)
            hits.each[i] = (uint8_t)(score_of(products, unit, scales, row + i) >= least) & allowed[row + i];
        for (int part = 0; part < BLOCK / 8; part++) {
            for (uint64_t left = hits.eight[part]; left; left &= left - 1) {
                int64_t hit = row + 8 * part + (__builtin_ctzll(left) >> 3); /* the lowest byte is the first: little-endian */
                keys[count++] = key_of(score_of(products, unit, scales, hit), hit);
            }
        }
    }
    for (; row < rows; row++) {
        float score = score_of(products, unit, scales, row);
        keys[count] = key_of(score, row);
        count += score >= least && allowed[row];
    }
    return count;
}

/* Of each query, the `k` allowed items with the best scores, best first, the lower row first of equal ones: scores and rows
 * `[batch, k]`, -inf and 0 where fewer are allowed.
 *
 * products: `[batch, rows]` with the query in whole numbers.
 * units: `[batch]` of those; a score is product * unit * scale.
 * allowed: `mask_step` bytes from one query to the next.
 * exclude_rows: `[batch, excluded]`, 0 pads.
 * scratch: `[2 rows + 2]`; `mask`: `[rows]`, for a query that excludes something. */
EXPORT void best_of_products(
    int64_t batch, int64_t rows, const int32_t *products, const float *units, const float *scales, const uint8_t *allowed,
    int64_t mask_step, const int64_t *exclude_rows, int64_t excluded, int64_t k, float *best_scores, int64_t *best_rows,
    uint64_t *scratch, uint8_t *mask) {
    uint64_t *other = scratch + rows + 1;
    for (int64_t query = 0; query < batch; query++) {
        const int32_t *of_query = products + query * rows;
        const uint8_t *may = allowed + query * mask_step;
        const int64_t *left_out = exclude_rows + query * excluded;
        if (excluded) {
            __builtin_memcpy(mask, may, (uint64_t)rows);
            for (int64_t place = 0; place < excluded; place++) {
                if (left_out[place] >= 0 && left_out[place] < rows) mask[left_out[place]] = 0;
            }
            may = mask;
        }
        float least = guess(of_query, units[query], scales, may, rows, k, (float *)other);
        int64_t count = reach(of_query, units[query], scales, may, rows, least, scratch);
        if (count < k && least > LOWEST)
            count = reach(of_query, units[query], scales, may, rows, LOWEST, scratch);
        const uint64_t *sorted = sort_keys(scratch, other, count, 32, 64);
        for (int64_t place = 0; place < k; place++) {
            int64_t row = place < count ? (int64_t)(sorted[place] & 0xFFFFFFFFu) : PADDING_ROW;
            best_rows[query * k + place] = row;
            best_scores[query * k + place] =
                place < count ? score_of(of_query, units[query], scales, row) : -__builtin_inff();
        }
    }
}
