/* The union of candidate sources: every item of a request once, in order of rows. */
#include "kernels.h"

/* One source of candidates. */
typedef struct {
    const void *rows;     /* int64 or int32, 0 pads */
    int64_t request_step; /* entries from one request to the next, 0 where all requests have the same */
    int64_t width;        /* entries a request */
    int32_t is_long;      /* int64 or int32 */
    int32_t source;       /* its bit */
} Part;

#define SOURCE_BITS 8

static inline int64_t row_at(const Part *part, int64_t request, int64_t place) {
    int64_t at = request * part->request_step + place;
    return part->is_long ? ((const int64_t *)part->rows)[at] : (int64_t)((const int32_t *)part->rows)[at];
}

static int bits_for(int64_t span) {
    int bits = 1;
    while (bits < 56 && (span >> bits)) bits++;
    return bits;
}

/* Writes the candidates of each request, without the excluded and masked ones, and where they begin; returns how many.
 *
 * span: rows of the item tables.
 * kept: the bit of a source whose items are never left out, or 0.
 * allowed: which items may be answered, `mask_step` bytes from one request to the next, or NULL.
 * answerable: `[span]`, or NULL.
 * scratch: `[2 (widths + excluded)]`. */
EXPORT int64_t union_of_parts(
    int64_t batch, const Part *parts, int64_t count, int64_t span, uint64_t kept, const int64_t *exclude_rows,
    int64_t excluded, const uint8_t *allowed, int64_t mask_step, const uint8_t *answerable, int64_t *request_index, int64_t *rows,
    uint8_t *sources, int64_t *offsets, uint64_t *scratch) {
    int64_t width = 0, total = 0;
    int high = SOURCE_BITS + bits_for(span);
    for (int64_t p = 0; p < count; p++) width += parts[p].width;
    uint64_t *left_out_keys = scratch + 2 * width;
    offsets[0] = 0;
    for (int64_t request = 0; request < batch; request++) {
        int64_t n = 0, left_out_count = 0;
        for (int64_t p = 0; p < count; p++) {
            for (int64_t place = 0; place < parts[p].width; place++) {
                int64_t row = row_at(&parts[p], request, place);
                if (row > PADDING_ROW && row < span)
                    scratch[n++] = (uint64_t)row << SOURCE_BITS | (uint64_t)parts[p].source;
            }
        }
        for (int64_t place = 0; place < excluded; place++) {
            int64_t row = exclude_rows[request * excluded + place];
            if (row > PADDING_ROW && row < span) left_out_keys[left_out_count++] = (uint64_t)row << SOURCE_BITS;
        }
        const uint64_t *keys = sort_keys(scratch, scratch + width, n, SOURCE_BITS, high);
        const uint64_t *left_out = sort_keys(left_out_keys, left_out_keys + excluded, left_out_count, SOURCE_BITS, high);
        int64_t out = 0;
        for (int64_t at = 0; at < n;) {
            int64_t row = (int64_t)(keys[at] >> SOURCE_BITS);
            uint64_t bits = 0;
            for (; at < n && (int64_t)(keys[at] >> SOURCE_BITS) == row; at++) bits |= keys[at] & ((1 << SOURCE_BITS) - 1);
            while (out < left_out_count && (int64_t)(left_out[out] >> SOURCE_BITS) < row) out++;
            int stays = !(out < left_out_count && (int64_t)(left_out[out] >> SOURCE_BITS) == row) &&
                        (!allowed || allowed[request * mask_step + row]) && (!answerable || answerable[row]);
            if (!stays && !(bits & kept)) continue;
            request_index[total] = request;
            rows[total] = row;
            sources[total++] = (uint8_t)bits;
        }
        offsets[request + 1] = total;
    }
    return total;
}
