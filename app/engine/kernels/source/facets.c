/* Facets: how many items of a set have each value of a column. */
#include "kernels.h"

/* Of each value the number of its items that are in the set. Returns 0 for an item that is none of `rows`.
 *
 * items: the items of each value, one value behind the other; offsets: `[values + 1]`; mask: `[rows]`. */
EXPORT int count_values(
    const int32_t *items, const int64_t *offsets, int64_t values, const uint8_t *mask, int64_t rows, int64_t *counts) {
    for (int64_t value = 0; value < values; value++) {
        int64_t count = 0;
        for (int64_t at = offsets[value]; at < offsets[value + 1]; at++) {
            int32_t row = items[at];
            if (row < 0 || row >= rows) return 0;
            count += mask[row];
        }
        counts[value] = count;
    }
    return 1;
}
