/* How well every item matches the words of a query: sums over postings, and the items that have all of it. */
#include "kernels.h"

/* What is done to some rows of a column. */
enum { SCORES = 0, CONSTANT = 1, SET = 2, MARK = 3 };

typedef struct {
    const int32_t *places; /* each once */
    const float *scores;   /* of each place, for SCORES */
    int64_t count;
    int64_t shift;  /* from a place to its row */
    int64_t column; /* of `columns` */
    int64_t kind;   /* SCORES adds factor times score, CONSTANT the factor, SET puts it there, MARK adds and marks */
} Addend;

#define MAIN 0
#define TEXT_COLUMNS 3 /* whose best is 1 */
#define COVERAGE 3
#define COLUMNS 5

typedef struct {
    const int32_t *rows;
    int64_t count;
} Rows;

static int add(const Addend *addend, float factor, int64_t rows, float *column, uint8_t *marked) {
    const int32_t *places = addend->places;
    int64_t shift = addend->shift, count = addend->count;
    for (int64_t i = 0; i < count; i++) {
        if ((uint64_t)(places[i] + shift) >= (uint64_t)rows) return 0;
    }
    column += shift;
    switch (addend->kind) {
    case SCORES:
        for (int64_t i = 0; i < count; i++) column[places[i]] += factor * addend->scores[i];
        break;
    case CONSTANT:
        for (int64_t i = 0; i < count; i++) column[places[i]] += factor;
        break;
    case SET:
        for (int64_t i = 0; i < count; i++) column[places[i]] = factor;
        break;
    default:
        marked += shift;
        for (int64_t i = 0; i < count; i++) {
            column[places[i]] += factor;
            marked[places[i]] = 1;
        }
    }
    return 1;
}

/* Sums `addends` in their order, each with its factor, into one column. Returns 0 for a place that is no row. */
EXPORT int sum_postings(const Addend *addends, const float *factors, int64_t count, int64_t rows, float *column) {
    for (int64_t i = 0; i < rows; i++) column[i] = 0.0f;
    for (int64_t at = 0; at < count; at++) {
        if (addends[at].kind == MARK || !add(&addends[at], factors[at], rows, column, 0)) return 0;
    }
    return 1;
}

#define LANES 16

/* The largest of some values, 0 for none above; in lanes, which a processor compares at once. */
static float largest(const float *values, int64_t n) {
    float lanes[LANES] = {0.0f}, best = 0.0f;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int lane = 0; lane < LANES; lane++) lanes[lane] = values[i + lane] > lanes[lane] ? values[i + lane] : lanes[lane];
    for (; i < n; i++) best = values[i] > best ? values[i] : best;
    for (int lane = 0; lane < LANES; lane++) best = lanes[lane] > best ? lanes[lane] : best;
    return best;
}

/* Sums the addends into the columns `[COLUMNS + 1, rows]`, the last of them `said`: what items have of what a query says;
 * makes the best of each text column 1, coverage a share of `total`, and tells which items have all that the query says,
 * or most of it. Returns the best coverage, or -1 for a place that is no row.
 *
 * all: the share of `said_total` from which on an item has all of it.
 * something: what is too little, where there is more to say. rounding: by which sums may differ.
 * has_unknown: whether the query says something that no item has.
 * words: rows of each word; has_hit: `[words]`, whether any hit has it. */
EXPORT float match_words(
    const Addend *addends, const float *factors, int64_t count, int64_t rows, float *columns, float *said, float total,
    double said_total, double all, double something, double rounding, int64_t has_unknown, const uint8_t *allowed, uint8_t *hits,
    const Rows *words, int64_t word_count, uint8_t *has_hit) {
    for (int64_t i = 0; i < COLUMNS * rows; i++) columns[i] = 0.0f;
    for (int64_t i = 0; i < rows; i++) said[i] = 0.0f;
    for (int64_t i = 0; i < rows; i++) hits[i] = 0;
    for (int64_t at = 0; at < count; at++) {
        float *column = addends[at].kind == MARK ? said : columns + addends[at].column * rows;
        if (!add(&addends[at], factors[at], rows, column, hits)) return -1.0f;
    }
    for (int64_t c = 0; c < TEXT_COLUMNS; c++) {
        float *column = columns + c * rows, best = largest(column, rows);
        if (best > 0.0f)
            for (int64_t i = 0; i < rows; i++) column[i] = column[i] / best;
    }
    float *coverage = columns + COVERAGE * rows;
    for (int64_t i = 0; i < rows; i++) {
        float share = coverage[i] / total;
        coverage[i] = share < 1.0f ? share : 1.0f;
    }
    for (int64_t i = 0; i < rows; i++) said[i] = allowed[i] ? said[i] : 0.0f;
    double best = largest(said, rows);
    if (best <= something && (has_unknown || said_total > something)) {
        for (int64_t i = 0; i < rows; i++) hits[i] = 0;
    } else {
        double most = all * said_total;
        float least = (float)((best >= most ? most : best) - rounding);
        for (int64_t i = 0; i < rows; i++) hits[i] = hits[i] & (uint8_t)(said[i] >= least) & allowed[i];
    }
    for (int64_t w = 0; w < word_count; w++) {
        uint8_t any = 0;
        for (int64_t i = 0; i < words[w].count && !any; i++) any = hits[words[w].rows[i]];
        has_hit[w] = any;
    }
    return largest(coverage, rows);
}

/* The rows in any of `parts`, ascending; returns how many, -1 for one that is no row.
 *
 * scratch: `[(rows + 63) / 64]`. */
EXPORT int64_t rows_in_any(const Rows *parts, int64_t count, int64_t rows, int32_t *out, uint64_t *scratch) {
    int64_t words = (rows + 63) / 64, found = 0;
    for (int64_t i = 0; i < words; i++) scratch[i] = 0;
    for (int64_t p = 0; p < count; p++) {
        for (int64_t i = 0; i < parts[p].count; i++) {
            uint64_t row = (uint64_t)(int64_t)parts[p].rows[i];
            if (row >= (uint64_t)rows) return -1;
            scratch[row / 64] |= (uint64_t)1 << (row % 64);
        }
    }
    for (int64_t i = 0; i < words; i++) {
        for (uint64_t bits = scratch[i]; bits; bits &= bits - 1) out[found++] = (int32_t)(i * 64 + __builtin_ctzll(bits));
    }
    return found;
}

static int compare(const uint8_t *text, int64_t length, const uint8_t *key, int64_t key_length) {
    int64_t common = length < key_length ? length : key_length;
    for (int64_t i = 0; i < common; i++) {
        if (text[i] != key[i]) return text[i] < key[i] ? -1 : 1;
    }
    return length == key_length ? 0 : length < key_length ? -1 : 1;
}

/* The first of `count` ascending texts that is not below `key`; text `i` is `values[offsets[i]]` up to the next. */
EXPORT int64_t first_text_from(
    const uint8_t *values, const int64_t *offsets, int64_t low, int64_t high, const uint8_t *key, int64_t length) {
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (compare(values + offsets[middle], offsets[middle + 1] - offsets[middle], key, length) < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}
