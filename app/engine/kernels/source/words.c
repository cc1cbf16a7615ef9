/* How well every item matches the words of a query: sums over postings, and the items that have all of it. */
#include "kernels.h"

/* What is done to some rows of a column. */
enum { SCORES = 0, CONSTANT = 1, SET = 2, MARK = 3, CLEAR = 4 };

typedef struct {
    const int32_t *places; /* each once */
    const float *scores;   /* of each place, for SCORES */
    int64_t count;
    int64_t shift;  /* from a place to its row */
    int64_t column; /* of `columns` */
    int64_t kind;   /* SCORES adds factor times score, CONSTANT the factor, SET puts it there, MARK adds and marks;
                       CLEAR puts 0 to rows that any other kind has */
} Addend;

#define TEXT_COLUMNS 3 /* whose best is 1 */
#define COVERAGE 3
#define COLUMNS 5
#define SAID 5
#define LANES 16

typedef struct {
    const int32_t *rows;
    int64_t count;
} Rows;

static int are_rows(const int32_t *places, int64_t count, int64_t shift, int64_t rows) {
    uint64_t outside = 0;
    for (int64_t i = 0; i < count; i++) outside |= (uint64_t)((uint64_t)(places[i] + shift) >= (uint64_t)rows);
    return !outside;
}

/* Sums `addends` in their order, each with its factor, into one column `[rows]`. Returns 0 for a place that is no row. */
EXPORT int sum_postings(const Addend *addends, const float *factors, int64_t count, int64_t rows, float *column) {
    for (int64_t i = 0; i < rows; i++) column[i] = 0.0f;
    for (const Addend *addend = addends; addend < addends + count; addend++) {
        float factor = factors[addend - addends], *target = column + addend->shift;
        const int32_t *places = addend->places;
        if (!are_rows(places, addend->count, addend->shift, rows)) return 0;
        if (addend->kind == SCORES)
            for (int64_t i = 0; i < addend->count; i++) target[places[i]] += factor * addend->scores[i];
        else if (addend->kind == CLEAR || addend->kind == SET)
            for (int64_t i = 0; i < addend->count; i++) target[places[i]] = addend->kind == SET ? factor : 0.0f;
        else
            for (int64_t i = 0; i < addend->count; i++) target[places[i]] += factor;
    }
    return 1;
}

/* The rows that `addends` name, ascending, but for those that are only cleared; returns how many, -1 for a place that is
 * none of `rows`.
 *
 * is_touched: `[(rows + 63) / 64]`, a bit for each row; before: `[(rows + 63) / 64]`, how many are in the words before. */
EXPORT int64_t touched_rows(
    const Addend *addends, int64_t count, int64_t rows, int32_t *touched, uint64_t *is_touched, int32_t *before) {
    int64_t words = (rows + 63) / 64, found = 0;
    for (int64_t i = 0; i < words; i++) is_touched[i] = 0;
    for (const Addend *addend = addends; addend < addends + count; addend++) {
        const int32_t *places = addend->places;
        if (!are_rows(places, addend->count, addend->shift, rows)) return -1;
        if (addend->kind == CLEAR) continue;
        for (int64_t i = 0; i < addend->count; i++) {
            uint64_t row = (uint64_t)(places[i] + addend->shift);
            is_touched[row / 64] |= (uint64_t)1 << (row % 64);
        }
    }
    for (int64_t i = 0; i < words; i++) {
        before[i] = (int32_t)found;
        for (uint64_t bits = is_touched[i]; bits; bits &= bits - 1)
            touched[found++] = (int32_t)(i * 64 + __builtin_ctzll(bits));
    }
    return found;
}

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

/* Sums the addends into the columns `[COLUMNS + 1, n]` of the `n` rows that `touched_rows` has found, the last of them
 * what items have of what the query says; makes the best of each text column 1, coverage a share of `total`, and tells
 * which items have all that the query says, or most of it. Returns the best coverage.
 *
 * is_touched, before: as `touched_rows` has left them. marked: `[n]`.
 * all: the share of `said_total` from which on an item has all of it.
 * something: what is too little, where there is more to say. rounding: by which sums may differ.
 * has_unknown: whether the query says something that no item has.
 * hits: `[rows]`. words: rows of each word; has_hit: `[words]`, whether any hit has it. */
EXPORT float match_words(
    const Addend *addends, const float *factors, int64_t count, int64_t rows, const int32_t *touched, int64_t n,
    const uint64_t *is_touched, const int32_t *before, float *columns, uint8_t *marked, float total, double said_total,
    double all, double something, double rounding, int64_t has_unknown, const uint8_t *allowed, uint8_t *hits, const Rows *words,
    int64_t word_count, uint8_t *has_hit) {
    for (int64_t i = 0; i < (COLUMNS + 1) * n; i++) columns[i] = 0.0f;
    for (int64_t i = 0; i < n; i++) marked[i] = 0;
    for (int64_t i = 0; i < rows; i++) hits[i] = 0;
    for (const Addend *addend = addends; addend < addends + count; addend++) {
        float factor = factors[addend - addends];
        float *column = columns + (addend->kind == MARK ? SAID : addend->column) * n;
        for (int64_t i = 0; i < addend->count; i++) {
            uint64_t row = (uint64_t)(addend->places[i] + addend->shift), bit = (uint64_t)1 << (row % 64);
            uint64_t word = is_touched[row / 64];
            int64_t at = before[row / 64] + __builtin_popcountll(word & (bit - 1));
            switch (addend->kind) {
            case SCORES: column[at] += factor * addend->scores[i]; break;
            case CONSTANT: column[at] += factor; break;
            case SET: column[at] = factor; break;
            case CLEAR:
                if (word & bit) column[at] = 0.0f;
                break;
            default: column[at] += factor; marked[at] = 1;
            }
        }
    }
    for (int64_t c = 0; c < TEXT_COLUMNS; c++) {
        float *column = columns + c * n, best = largest(column, n);
        if (best > 0.0f)
            for (int64_t i = 0; i < n; i++) column[i] = column[i] / best;
    }
    float *coverage = columns + COVERAGE * n, *said = columns + SAID * n;
    for (int64_t i = 0; i < n; i++) {
        float share = coverage[i] / total;
        coverage[i] = share < 1.0f ? share : 1.0f;
    }
    for (int64_t i = 0; i < n; i++) said[i] = allowed[touched[i]] ? said[i] : 0.0f;
    double best = largest(said, n);
    if (!(best <= something && (has_unknown || said_total > something))) {
        double most = all * said_total;
        float least = (float)((best >= most ? most : best) - rounding);
        for (int64_t i = 0; i < n; i++) hits[touched[i]] = marked[i] & (uint8_t)(said[i] >= least) & allowed[touched[i]];
    }
    for (int64_t w = 0; w < word_count; w++) {
        uint8_t any = 0;
        for (int64_t i = 0; i < words[w].count && !any; i++) {
            int64_t row = words[w].rows[i];
            any = row >= 0 && row < rows && hits[row];
        }
        has_hit[w] = any;
    }
    return largest(coverage, n);
}

/* The columns `[COLUMNS, n]` of the ascending `rows` for those `asked` for, into `out`, `step` numbers a column; 0 for
 * others. */
EXPORT void columns_of_rows(
    const int32_t *rows, int64_t n, const float *columns, const int64_t *asked, int64_t count, float *out, int64_t step) {
    for (int64_t i = 0; i < count; i++) {
        int64_t low = 0, high = n;
        while (low < high) {
            int64_t middle = low + (high - low) / 2;
            if (rows[middle] < asked[i]) low = middle + 1;
            else high = middle;
        }
        int there = low < n && rows[low] == asked[i];
        for (int64_t c = 0; c < COLUMNS; c++) out[c * step + i] = there ? columns[c * n + low] : 0.0f;
    }
}

#define STEP 11 /* bits of a key that are told apart at once */
#define STEPS (1 << STEP)

/* The largest key of the `k` smallest of `n`, which are more. */
static uint32_t last_of_smallest(const uint32_t *keys, int64_t n, int64_t k) {
    uint32_t known = 0, chosen = 0; /* bits of the outcome, and which those are */
    for (int shift = 21; shift > -STEP; shift -= STEP) {
        int low = shift < 0 ? 0 : shift;
        uint32_t mask = (uint32_t)((shift < 0 ? 1 << (STEP + shift) : STEPS) - 1);
        int32_t counts[STEPS] = {0};
        for (int64_t i = 0; i < n; i++) counts[(keys[i] >> low) & mask] += (keys[i] & chosen) == known;
        uint32_t step = 0;
        while (k > counts[step]) k -= counts[step++];
        known |= step << low;
        chosen |= mask << low;
    }
    return known;
}

/* Writes the `k` rows with the best sums, ascending, the lower row first of equal ones; all where they are not more. Rows
 * count that have any of the query's words and are `allowed`. Returns how many there are.
 *
 * columns: `[COLUMNS, n]` of the ascending `rows`; weights: of those that `summed` names, in its order.
 * named: ascending rows with what each gets beside.
 * scratch: `[n]`. */
EXPORT int64_t best_rows_by_words(
    const int32_t *rows, int64_t n, const float *columns, const uint8_t *allowed, const int64_t *summed, const float *weights,
    int64_t count, const int32_t *named, const float *gains, int64_t names, int64_t k, int64_t *best, uint32_t *scratch) {
    const float *coverage = columns + COVERAGE * n;
    int64_t all = 0, out = 0, name = 0;
    if (k < 1) return 0;
    for (int64_t i = 0; i < n; i++) all += coverage[i] > 0.0f && allowed[rows[i]];
    if (all <= k) {
        for (int64_t i = 0; i < n; i++) {
            best[out] = rows[i];
            out += coverage[i] > 0.0f && allowed[rows[i]];
        }
        return out;
    }
    all = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!(coverage[i] > 0.0f && allowed[rows[i]])) continue;
        float sum = weights[0] * columns[summed[0] * n + i];
        for (int64_t c = 1; c < count; c++) sum += weights[c] * columns[summed[c] * n + i];
        while (name < names && named[name] < rows[i]) name++;
        sum += name < names && named[name] == rows[i] ? gains[name] : 0.0f;
        uint32_t bits = bits_of(sum + 0.0f); /* one zero, without a sign */
        scratch[all++] = sum != sum ? 0xFFFFFFFFu : bits >> 31 ? bits : ~(bits | 0x80000000u);
    }
    uint32_t last = last_of_smallest(scratch, all, k);
    int64_t above = 0, at = 0;
    for (int64_t i = 0; i < all; i++) above += scratch[i] < last;
    int64_t ties = k - above;
    for (int64_t i = 0; i < n; i++) {
        if (!(coverage[i] > 0.0f && allowed[rows[i]])) continue;
        uint32_t key = scratch[at++];
        int is_best = key < last || (key == last && ties > 0);
        ties -= key == last;
        if (is_best) best[out++] = rows[i];
    }
    return out;
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

/* The first of the ascending texts from `low` up to `high` that is not below `key`; text `i` is `values[offsets[i]]` up to
 * the next, and empty where that is not within the `size` bytes of `values`. */
EXPORT int64_t first_text_from(
    const uint8_t *values, int64_t size, const int64_t *offsets, int64_t low, int64_t high, const uint8_t *key, int64_t length) {
    while (low < high) {
        int64_t middle = low + (high - low) / 2, start = offsets[middle], end = offsets[middle + 1];
        if (start < 0 || end > size || start > end) start = end = 0;
        if (compare(values + start, end - start, key, length) < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}
