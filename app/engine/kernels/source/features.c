/* The ranker's features of candidates. */
#include "kernels.h"
#include "products.h"
#include "tables.h"

#define RECENT 10    /* newest events that are compared with a candidate */
#define LEAST_CO_OCCURRENCE 1e-4f

/* The users of a batch. */
typedef struct {
    const int32_t *event_rows; /* [batch, window] newest last */
    const uint8_t *event_types;
    const float *log_minutes;  /* [batch, window] since each event, 0 where unknown */
    const float *queries;      /* [batch, dim] */
    int64_t batch;
    int64_t window;
} Users;

/* Candidates in one flat list, ordered by request and row. */
typedef struct {
    const int64_t *rows;
    const int64_t *offsets; /* [batch + 1] */
    int64_t is_shared;      /* whether all requests have the list of the first */
} List;

static inline int64_t length_of(const List *list, int64_t request) {
    return list->is_shared ? list->offsets[1] : list->offsets[request + 1] - list->offsets[request];
}

static inline const int64_t *rows_of(const List *list, int64_t request) {
    return list->is_shared ? list->rows : list->rows + list->offsets[request];
}

static inline int64_t rows_in(const List *list, int64_t batch) { return list->offsets[list->is_shared ? 1 : batch]; }

/* What NumPy works out once. */
typedef struct {
    const float *decays;     /* [RECENT] the weight of the newest events */
    const float *log_wholes; /* log(1 + n) of 0, 1, 2, .. in double precision, then rounded */
    const float *log_counts; /* the same in single precision */
} Constants;

enum {
    SCORE, SCORE_GAP, LOG_RANK,
    LIKE_LAST, LIKE_RECENT, LIKE_NEAREST,
    CONTENT_LIKE_LAST, CONTENT_LIKE_RECENT, CONTENT_LIKE_NEAREST,
    WITH_LAST, WITH_RECENT, WITH_NEAREST, WITH_EVENTS,
    VIEWED, CARTED, PURCHASED, TOUCHED, LOG_EVENTS_SINCE, LOG_MINUTES_SINCE,
    LOG_POPULARITY, LOG_VIEWS, LOG_CARTS, LOG_PURCHASES, CARTS_A_VIEW, PURCHASES_A_VIEW,
    SAME_CATEGORY_LAST, SAME_CATEGORY_RECENT, SAME_BRAND_LAST, SAME_BRAND_RECENT, CATEGORY_MISSING, BRAND_MISSING,
    PRICE_OVER_HABIT, PRICE_OFF_HABIT, LOG_PRICE, PRICE_MISSING,
    LOG_EVENTS, LOG_DISTINCT, LOG_MINUTES_IDLE,
    FEATURES
};

/* What is known of one candidate by the events. */
typedef struct {
    float together[RECENT]; /* co-occurrence with each recent event */
    int32_t counts[1 + BEHAVIOURS];
    int32_t since;          /* events since the newest one on the item */
    float log_minutes;
} Past;

static inline int is_finite(float value) { return (bits_of(value) & 0x7F800000u) != 0x7F800000u; }

static float half(uint16_t value) {
    uint32_t sign = (uint32_t)(value & 0x8000u) << 16, exponent = value >> 10 & 31u, fraction = value & 1023u;
    if (exponent == 31u) return float_of(sign | 0x7F800000u | fraction << 13);
    if (exponent) return float_of(sign | (exponent + 112u) << 23 | fraction << 13);
    float small = (float)fraction * (1.0f / 16777216.0f);
    return sign ? -small : small;
}

/* Writes a query as whole numbers into a lane; returns their unit. */
static float quantise(const float *query, int64_t dim, int16_t *lanes, int lane) {
    float unit = unit_of(query, dim);
    for (int64_t d = 0; d < dim; d++) lanes[lane_at(d, lane)] = (int16_t)whole(query[d] / unit);
    return unit;
}

static void put_lane(const int8_t *item, int64_t dim, int16_t *lanes, int lane) {
    for (int64_t d = 0; d < dim; d++) lanes[lane_at(d, lane)] = item[d];
}

/* A table from row to position, of `size` entries, a power of two. */
static inline uint64_t slot_of(int32_t row, int64_t size) {
    return ((uint32_t)row * 2654435761u >> 7) & (uint64_t)(size - 1);
}

static int32_t position_of(const int32_t *slots, const int64_t *rows, int64_t size, int32_t row) {
    for (uint64_t slot = slot_of(row, size);; slot = (slot + 1) & (uint64_t)(size - 1)) {
        int32_t position = slots[slot];
        if (position < 0 || rows[position] == row) return position;
    }
}

static void fill_slots(int32_t *slots, const int64_t *rows, int64_t n, int64_t size) {
    for (int64_t slot = 0; slot < size; slot++) slots[slot] = -1;
    for (int32_t position = 0; position < (int32_t)n; position++) {
        uint64_t slot = slot_of((int32_t)rows[position], size);
        while (slots[slot] >= 0) slot = (slot + 1) & (uint64_t)(size - 1);
        slots[slot] = position;
    }
}

static int64_t power_above(int64_t n) {
    int64_t size = 16;
    while (size < 2 * n) size *= 2;
    return size;
}

static int32_t distinct_of(const int32_t *rows, int64_t n, int32_t *slots) {
    int64_t size = power_above(n);
    int32_t count = 0;
    for (int64_t slot = 0; slot < size; slot++) slots[slot] = PADDING_ROW;
    for (int64_t i = 0; i < n; i++) {
        uint64_t slot = slot_of(rows[i], size);
        while (slots[slot] != PADDING_ROW && slots[slot] != rows[i]) slot = (slot + 1) & (uint64_t)(size - 1);
        count += slots[slot] != rows[i];
        slots[slot] = rows[i];
    }
    return count;
}

static void read_past(
    const Tables *tables, const Users *users, int64_t request, const int32_t *recent, const int64_t *rows, int64_t n,
    int32_t *slots, Past *past) {
    int64_t window = users->window, size = power_above(n);
    const int32_t *events = users->event_rows + request * window;
    for (int64_t c = 0; c < n; c++) {
        past[c] = (Past){.since = (int32_t)window};
    }
    fill_slots(slots, rows, n, size);
    for (int event = 0; event < RECENT; event++) {
        if (recent[event] == PADDING_ROW) continue;
        const int32_t *neighbours = tables->neighbours + recent[event] * tables->neighbours_each;
        const uint16_t *weights = tables->neighbour_weights + recent[event] * tables->neighbours_each;
        for (int64_t place = 0; place < tables->neighbours_each; place++) {
            if (neighbours[place] == PADDING_ROW) continue;
            int32_t position = position_of(slots, rows, size, neighbours[place]);
            if (position >= 0) past[position].together[event] = half(weights[place]);
        }
    }
    for (int64_t column = 0; column < window; column++) {
        if (events[column] == PADDING_ROW) continue;
        int32_t position = position_of(slots, rows, size, events[column]);
        if (position < 0) continue;
        uint8_t type = users->event_types[request * window + column];
        if (type <= BEHAVIOURS) past[position].counts[type]++;
        past[position].since = (int32_t)(window - 1 - column);
        past[position].log_minutes = users->log_minutes[request * window + column];
    }
}

/* Similarity to the last event, to the decayed past, and to the nearest event, of the products with all recent ones. */
static void put_similarity(const float *products, float own, const float *scales, const float *weights, float *values) {
    float first = products[0] * own * scales[0], recent = first * weights[0], nearest = first;
    for (int event = 1; event < RECENT; event++) {
        float similarity = products[event] * own * scales[event];
        recent += similarity * weights[event];
        nearest = larger(similarity, nearest);
    }
    values[0] = first;
    values[1] = recent;
    values[2] = nearest;
}

static void put_together(const float *together, const float *weights, float *values) {
    float recent = together[0] * weights[0], nearest = together[0];
    int32_t count = together[0] > LEAST_CO_OCCURRENCE;
    for (int event = 1; event < RECENT; event++) {
        recent += together[event] * weights[event];
        nearest = larger(together[event], nearest);
        count += together[event] > LEAST_CO_OCCURRENCE;
    }
    values[WITH_LAST] = __builtin_sqrtf(together[0]);
    values[WITH_RECENT] = __builtin_sqrtf(recent);
    values[WITH_NEAREST] = __builtin_sqrtf(nearest);
    values[WITH_EVENTS] = (float)count / (float)RECENT;
}

/* Asks the memory for what is known of an item that will be read soon: it lies in many places. */
static inline void fetch_item(const Tables *tables, int64_t row) {
    for (int64_t d = 0; d < tables->dim; d += LINE) __builtin_prefetch(tables->vectors + row * tables->dim + d);
    for (int64_t d = 0; d < tables->content_dim; d += LINE) __builtin_prefetch(tables->content + row * tables->content_dim + d);
    __builtin_prefetch(tables->scales + row);
    __builtin_prefetch(tables->score_scales + row);
    __builtin_prefetch(tables->content_scales + row);
    __builtin_prefetch(tables->counts + row * BEHAVIOURS);
    __builtin_prefetch(tables->logs + row * LOGS);
    __builtin_prefetch(tables->codes + 2 * row);
    __builtin_prefetch(tables->log_price + row);
}

static void put_same(int32_t code, const int32_t *event_codes, const float *weights, float *last, float *recent) {
    float is_same = (float)(code != 0 && event_codes[0] == code), sum = is_same * weights[0];
    *last = is_same;
    for (int event = 1; event < RECENT; event++) sum += (float)(code != 0 && event_codes[event] == code) * weights[event];
    *recent = sum;
}

/* How many of the first `n` scores are above a score, or as large where `ties` says so. */
static int32_t count_above(const float *scores, int64_t n, float score, int ties) {
    int32_t above = 0;
    if (ties) for (int64_t a = 0; a < n; a++) above += scores[a] >= score;
    else for (int64_t a = 0; a < n; a++) above += scores[a] > score;
    return above;
}

/* The ranks of candidates within a longer list, by scores and then rows, and the best score of that list. */
static float put_ranks_within(
    const int64_t *rows, int64_t n, const int64_t *all_rows, const float *all_scores, int64_t all, const float *log_wholes,
    float *features) {
    float best = all_scores[0];
    for (int64_t a = 1; a < all; a++) best = larger(all_scores[a], best);
    int64_t before = 0; /* rows of the list, which ascend as the candidates do, below the candidate's */
    for (int64_t c = 0; c < n; c++) {
        float score = features[c * FEATURES + SCORE];
        while (before < all && all_rows[before] < rows[c]) before++;
        int64_t rank = count_above(all_scores, before, score, 1);
        rank += count_above(all_scores + before, all - before, score, 0);
        features[c * FEATURES + LOG_RANK] = log_wholes[rank];
    }
    return best;
}

/* How many requests from `first` on, at most LANES, have the same list. */
static int64_t alike(const List *lists, int64_t first, int64_t batch) {
    const int64_t *rows = rows_of(lists, first);
    int64_t n = length_of(lists, first), next = first + 1;
    if (lists->is_shared) return batch - first < LANES ? batch - first : LANES;
    for (; next < batch && next < first + LANES; next++) {
        const int64_t *others = rows_of(lists, next);
        int64_t differ = length_of(lists, next) != n;
        for (int64_t a = 0; !differ && a < n; a++) differ = rows[a] != others[a];
        if (differ) break;
    }
    return next - first;
}

/* Writes the retrieval scores `[count, longest]` of the list that `count` requests from `first` on share. */
static void score_list(
    const Tables *tables, const Users *users, const List *lists, int64_t first, int64_t count, int64_t longest,
    int16_t *lanes, float *scores) {
    const int64_t *rows = rows_of(lists, first);
    int64_t n = length_of(lists, first), dim = tables->dim;
    float units[LANES], products[LANES];
    for (int64_t at = 0; at < lanes_of(dim); at++) lanes[at] = 0;
    for (int64_t lane = 0; lane < count; lane++)
        units[lane] = quantise(users->queries + (first + lane) * dim, dim, lanes, (int)lane);
    for (int64_t a = 0; a < n; a++) {
        if (a + AHEAD < n) {
            for (int64_t d = 0; d < dim; d += LINE) __builtin_prefetch(tables->vectors + rows[a + AHEAD] * dim + d);
        }
        products_of(tables->vectors + rows[a] * dim, lanes, dim, products);
        for (int64_t lane = 0; lane < count; lane++)
            scores[lane * longest + a] = products[lane] * units[lane] * tables->score_scales[rows[a]];
    }
}

/* Writes features `[candidates, FEATURES]`.
 *
 * Returns 0. Where the logarithms of items are unknown, nothing is written but their rows, and how many those are is
 * returned; where a row is outside of the tables, -1.
 *
 * reference: the lists that candidates are ranked within, or NULL for the candidates themselves.
 * features: a shared list of candidates has them once for each request.
 * longest: of the lists of all requests, the reference's too.
 * scratch: room for `feature_scratch` bytes, aligned to 64.
 * unknown: `[candidates]`. */
EXPORT int64_t features_of_candidates(
    const Tables *tables, const Users *users, const List *candidates, const List *reference, const Constants *constants,
    int64_t longest, float *features, char *scratch, int64_t *unknown) {
    int64_t count = rows_in(candidates, users->batch), missing = 0, dim = tables->dim, content_dim = tables->content_dim;
    for (int64_t event = 0; event < users->batch * users->window; event++) {
        if ((uint64_t)(int64_t)users->event_rows[event] >= (uint64_t)tables->rows) return -1;
    }
    for (int64_t a = 0; reference && a < rows_in(reference, users->batch); a++) {
        if ((uint64_t)reference->rows[a] >= (uint64_t)tables->rows) return -1;
    }
    for (int64_t c = 0; c < count; c++) {
        if ((uint64_t)candidates->rows[c] >= (uint64_t)tables->rows) return -1;
        unknown[missing] = candidates->rows[c];
        missing += !tables->has_logs[candidates->rows[c]];
    }
    if (missing) return missing;
    int64_t lane_count = lanes_of(dim), content_lane_count = lanes_of(content_dim);
    int16_t *lanes = (int16_t *)scratch, *content_lanes = lanes + lane_count, *list_lanes = content_lanes + content_lane_count;
    uint64_t *order = (uint64_t *)(list_lanes + lane_count);
    Past *past = (Past *)(order + 2 * longest);
    float *scores = (float *)(past + longest);
    int32_t *slots = (int32_t *)(scores + LANES * longest);
    int64_t scored_from = 0, scored_to = 0; /* requests whose lists have scores */
    for (int64_t request = 0; request < users->batch; request++) {
        int64_t n = length_of(candidates, request);
        if (!n) continue;
        int64_t start = candidates->is_shared ? request * n : candidates->offsets[request];
        const int64_t *rows = rows_of(candidates, request);
        const int32_t *events = users->event_rows + request * users->window;
        float *out = features + start * FEATURES;
        int32_t recent[RECENT] = {0}, codes[2][RECENT];
        float weights[RECENT], scales[RECENT], content_scales[RECENT], weight_sum = 0.0f;
        int64_t present = 0;
        for (int event = 0; event < RECENT && event < users->window; event++) recent[event] = events[users->window - 1 - event];
        for (int event = 0; event < RECENT; event++) {
            weights[event] = recent[event] != PADDING_ROW ? constants->decays[event] : 0.0f;
            weight_sum = event ? weight_sum + weights[event] : weights[0];
        }
        float usual_price = 0.0f, price_weight = 0.0f, divisor = larger(weight_sum, 1e-9f);
        for (int64_t at = 0; at < lane_count + content_lane_count; at++) lanes[at] = 0;
        float unit = quantise(users->queries + request * dim, dim, lanes, 0);
        for (int event = 0; event < RECENT; event++) {
            int64_t row = recent[event];
            weights[event] /= divisor;
            float price = tables->log_price[row];
            float known_weight = is_finite(price) ? weights[event] : 0.0f;
            float weighted = (is_finite(price) ? price : 0.0f) * known_weight;
            price_weight = event ? price_weight + known_weight : known_weight;
            usual_price = event ? usual_price + weighted : weighted;
            scales[event] = tables->scales[row];
            content_scales[event] = tables->content_scales[row];
            for (int place = 0; place < 2; place++) codes[place][event] = row != PADDING_ROW ? tables->codes[2 * row + place] : 0;
            put_lane(tables->vectors + row * dim, dim, lanes, 1 + event);
            put_lane(tables->content + row * content_dim, content_dim, content_lanes, event);
        }
        usual_price /= larger(price_weight, 1e-9f);
        for (int64_t column = 0; column < users->window; column++) present += events[column] != PADDING_ROW;
        float log_events = constants->log_wholes[present];
        float log_distinct = constants->log_wholes[distinct_of(events, users->window, slots)];
        float log_idle = users->log_minutes[(request + 1) * users->window - 1];
        read_past(tables, users, request, recent, rows, n, slots, past);
        for (int64_t c = 0; c < n; c++) {
            int64_t row = rows[c];
            if (c + AHEAD < n) fetch_item(tables, rows[c + AHEAD]);
            float *values = out + c * FEATURES, products[LANES];
            products_of(tables->vectors + row * dim, lanes, dim, products);
            values[SCORE] = products[0] * unit * tables->score_scales[row];
            put_similarity(products + 1, tables->scales[row], scales, weights, values + LIKE_LAST);
            if (content_dim) {
                products_of(tables->content + row * content_dim, content_lanes, content_dim, products);
                put_similarity(products, tables->content_scales[row], content_scales, weights, values + CONTENT_LIKE_LAST);
            } else {
                for (int place = 0; place < 3; place++) values[CONTENT_LIKE_LAST + place] = 0.0f;
            }
            put_together(past[c].together, weights, values);
            for (int type = 1; type <= BEHAVIOURS; type++)
                values[VIEWED - 1 + type] = constants->log_counts[past[c].counts[type]];
            values[TOUCHED] = (float)(past[c].since < users->window);
            values[LOG_EVENTS_SINCE] = constants->log_wholes[past[c].since];
            values[LOG_MINUTES_SINCE] = past[c].log_minutes;
            put_popularity(tables, row, values + LOG_POPULARITY);
            int32_t category = tables->codes[2 * row], brand = tables->codes[2 * row + 1];
            put_same(category, codes[0], weights, values + SAME_CATEGORY_LAST, values + SAME_CATEGORY_RECENT);
            put_same(brand, codes[1], weights, values + SAME_BRAND_LAST, values + SAME_BRAND_RECENT);
            values[CATEGORY_MISSING] = (float)(category == 0);
            values[BRAND_MISSING] = (float)(brand == 0);
            float price = tables->log_price[row];
            int has_price = is_finite(price);
            float over = has_price && price_weight > 0.0f ? price - usual_price : 0.0f;
            values[PRICE_OVER_HABIT] = over;
            values[PRICE_OFF_HABIT] = __builtin_fabsf(over);
            values[LOG_PRICE] = has_price ? price : 0.0f;
            values[PRICE_MISSING] = (float)!has_price;
            values[LOG_EVENTS] = log_events;
            values[LOG_DISTINCT] = log_distinct;
            values[LOG_MINUTES_IDLE] = log_idle;
        }
        float best;
        if (reference) {
            int64_t all = length_of(reference, request);
            const int64_t *all_rows = rows_of(reference, request);
            if (request >= scored_to) {
                scored_from = request;
                scored_to = request + alike(reference, request, users->batch);
                score_list(tables, users, reference, scored_from, scored_to - scored_from, longest, list_lanes, scores);
            }
            const float *all_scores = scores + (request - scored_from) * longest;
            best = 0.0f;
            if (all) best = put_ranks_within(rows, n, all_rows, all_scores, all, constants->log_wholes, out);
            else for (int64_t c = 0; c < n; c++) out[c * FEATURES + LOG_RANK] = constants->log_wholes[0];
        } else {
            for (int64_t c = 0; c < n; c++) scores[c] = out[c * FEATURES + SCORE];
            const uint64_t *ranked = best_first(scores, n, order, order + longest);
            for (int64_t place = 0; place < n; place++)
                out[(int64_t)(ranked[place] & 0xFFFFFFFFu) * FEATURES + LOG_RANK] = constants->log_wholes[place];
            best = scores[ranked[0] & 0xFFFFFFFFu];
        }
        for (int64_t c = 0; c < n; c++) out[c * FEATURES + SCORE_GAP] = out[c * FEATURES + SCORE] - best;
    }
    return 0;
}

/* Writes what is known of the popularity of items, `[LOG_POPULARITY .. PURCHASES_A_VIEW, count]`, a row a feature.
 *
 * Returns as `features_of_candidates` does. */
EXPORT int64_t popularity_of_rows(const Tables *tables, const int64_t *rows, int64_t count, float *columns, int64_t *unknown) {
    int64_t missing = 0;
    for (int64_t at = 0; at < count; at++) {
        if ((uint64_t)rows[at] >= (uint64_t)tables->rows) return -1;
        unknown[missing] = rows[at];
        missing += !tables->has_logs[rows[at]];
    }
    if (missing) return missing;
    for (int64_t at = 0; at < count; at++) {
        float values[POPULARITIES];
        put_popularity(tables, rows[at], values);
        for (int place = 0; place < POPULARITIES; place++) columns[place * count + at] = values[place];
    }
    return 0;
}

/* The bytes of scratch that features need. */
EXPORT int64_t feature_scratch(int64_t dim, int64_t content_dim, int64_t longest, int64_t window) {
    int64_t slots = power_above(longest > window ? longest : window);
    return (2 * lanes_of(dim) + lanes_of(content_dim)) * (int64_t)sizeof(int16_t) + 2 * longest * (int64_t)sizeof(uint64_t) +
           longest * (int64_t)(sizeof(Past) + LANES * sizeof(float)) + slots * (int64_t)sizeof(int32_t);
}
