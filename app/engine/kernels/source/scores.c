/* What orders the candidates of a search where nothing is weighed but words, meaning, taste and popularity. */
#include "kernels.h"
#include "products.h"
#include "tables.h"

#define MOST_DIM 1024
#define WORD_COLUMNS 5

/* What a sum may weigh: words first, as `match_words` has them. */
enum { SHARE = WORD_COLUMNS, IN_ORDER, COSINE, COSINE_ALONE, CHOSEN, TASTE, POPULAR, VALUES = POPULAR + POPULARITIES };

/* One search. */
typedef struct {
    const int32_t *word_rows;  /* [words] ascending */
    const float *word_columns; /* [WORD_COLUMNS, words] of those rows; others have 0 */
    const float *share;        /* [n], of titles, or NULL */
    const float *in_order;     /* [n], or NULL */
    const float *chosen;       /* [n], or NULL */
    const float *text;         /* [dim] */
    const float *user;         /* [dim], or NULL */
    int64_t words;
    float missing; /* the share of the query's words that no item has */
} Query;

static float coded(const float *vector, int64_t dim, int8_t *codes) {
    float unit = unit_of(vector, dim);
    for (int64_t d = 0; d < dim; d++) codes[d] = (int8_t)whole(vector[d] / unit);
    return unit;
}

/* The first of the ascending rows from `at` on that is not below `row`. */
static int64_t first_from(const int32_t *rows, int64_t n, int64_t at, int64_t row) {
    int64_t step = 1, low = at;
    while (at < n && rows[at] < row) {
        low = at + 1;
        at += step;
        step *= 2;
    }
    int64_t high = at < n ? at : n;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (rows[middle] < row) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* Sums `scores` of ascending candidates: `weights` times the values that `places` name, in their order.
 *
 * Returns 0. Where the logarithms of items are unknown and are read, their rows are written and how many those are is
 * returned; -1 where a row is outside of the tables, or their vectors are too long.
 *
 * unknown: `[n]`. */
EXPORT int64_t scores_of_search(
    const Tables *tables, const Query *query, const int64_t *rows, int64_t n, const int64_t *places, const float *weights,
    int64_t count, float *scores, int64_t *unknown) {
    int8_t text[MOST_DIM], user[MOST_DIM];
    int64_t dim = tables->dim, missing = 0, at = 0;
    int reads_popularity = 0;
    if (dim > MOST_DIM) return -1;
    for (int64_t c = 0; c < count; c++) {
        if (places[c] < 0 || places[c] >= VALUES) return -1;
        reads_popularity |= places[c] >= POPULAR;
    }
    for (int64_t i = 0; i < n; i++) {
        if ((uint64_t)rows[i] >= (uint64_t)tables->rows) return -1;
        unknown[missing] = rows[i];
        missing += reads_popularity && !tables->has_logs[rows[i]];
    }
    if (missing) return missing;
    float text_unit = coded(query->text, dim, text), user_unit = query->user ? coded(query->user, dim, user) : 0.0f;
    for (int64_t i = 0; i < n; i++) {
        int64_t row = rows[i];
        float values[VALUES];
        if (i + AHEAD < n) {
            int64_t next = rows[i + AHEAD];
            for (int64_t d = 0; d < dim; d += LINE) __builtin_prefetch(tables->vectors + next * dim + d);
            __builtin_prefetch(tables->scales + next);
            __builtin_prefetch(tables->score_scales + next);
            __builtin_prefetch(tables->counts + next * BEHAVIOURS);
            __builtin_prefetch(tables->logs + next * LOGS);
        }
        at = first_from(query->word_rows, query->words, at, row);
        int has_words = at < query->words && query->word_rows[at] == row;
        for (int64_t c = 0; c < WORD_COLUMNS; c++) values[c] = has_words ? query->word_columns[c * query->words + at] : 0.0f;
        const int8_t *item = tables->vectors + row * dim;
        values[SHARE] = query->share ? query->share[i] : 0.0f;
        values[IN_ORDER] = query->in_order ? query->in_order[i] : 0.0f;
        values[CHOSEN] = query->chosen ? query->chosen[i] : 0.0f;
        values[COSINE] = (float)byte_product(item, text, dim) * text_unit * tables->scales[row];
        values[COSINE_ALONE] = values[COSINE] * query->missing;
        values[TASTE] = query->user ? (float)byte_product(item, user, dim) * user_unit * tables->score_scales[row] : 0.0f;
        if (reads_popularity) put_popularity(tables, row, values + POPULAR);
        float sum = 0.0f;
        for (int64_t c = 0; c < count; c++) sum += weights[c] * values[places[c]];
        scores[i] = sum;
    }
    return 0;
}
