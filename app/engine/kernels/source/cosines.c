/* Scores of candidates: products of queries and items in whole numbers, times what a unit of each is. */
#include "kernels.h"

#define MOST_DIM 1024

/* Of each candidate the product of its item with the query of its request, times the query's unit, times the item's scale.
 * Returns 0 for a candidate that is none of `rows`.
 *
 * vectors: `[rows, dim]`; codes: `[batch, dim]` whole numbers of at most 127. */
EXPORT int scores_of_candidates(
    const int8_t *vectors, const float *scales, int64_t rows, int64_t dim, const int64_t *candidates, const int64_t *offsets,
    int64_t batch, const float *codes, const float *units, float *scores) {
    int16_t query[MOST_DIM];
    if (dim > MOST_DIM) return 0;
    for (int64_t request = 0; request < batch; request++) {
        for (int64_t d = 0; d < dim; d++) query[d] = (int16_t)codes[request * dim + d];
        for (int64_t at = offsets[request]; at < offsets[request + 1]; at++) {
            int64_t row = candidates[at];
            if (row < 0 || row >= rows) return 0;
            const int8_t *item = vectors + row * dim;
            int32_t product = 0;
            for (int64_t d = 0; d < dim; d++) product += (int32_t)item[d] * (int32_t)query[d];
            scores[at] = (float)product * units[request] * scales[row];
        }
    }
    return 1;
}
