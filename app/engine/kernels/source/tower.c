/* The query tower: the vector of each request, from its events. */
#include "kernels.h"

#include <string.h>

#define WIDE 8  /* numbers of a group: sums of a row run in so many lanes */
#define TILE 4  /* rows that a product reads weights for at once */
#define GROUP 16 /* requests that are worked out together, which bounds the scratch */

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wpsabi" /* how groups are passed to others: they go to functions of this file alone */
#endif

typedef float Wide __attribute__((vector_size(WIDE * sizeof(float))));

/* The network; every matrix is `[in, out]`, and all lengths but the window's are multiples of 16. */
typedef struct {
    const float *event_weights; /* [types, ages, window] of events in the mean */
    const float *embeddings;    /* [types, dim] */
    const float *first_scale, *first_shift; /* [dim] of the layer norm before attention */
    const float *queries, *query_bias, *keys, *key_bias, *values, *value_bias, *joined, *joined_bias;
    const float *position_bias; /* [heads, window] */
    const float *age_bias;      /* [ages, heads] */
    const float *second_scale, *second_shift; /* [dim] of the layer norm before the feed-forward part */
    const float *feed, *feed_bias, *fed, *fed_bias; /* [dim, feed], [feed, dim] */
    const float *inner, *inner_bias, *outer;        /* [2 * dim, hidden], [hidden, dim] */
    int64_t dim, window, types, ages, heads, feed_units, hidden;
    float attention_scale, first_epsilon, second_epsilon, mean_gate, state_gate, temperature;
} Tower;

/* The events of a batch. Vectors are given, or those of item rows. */
typedef struct {
    const float *vectors;      /* [batch, window, dim], or NULL */
    const int32_t *rows;       /* [batch, window], read where there are no vectors */
    const int8_t *codes;       /* [items, dim] */
    const float *scales;       /* [items] */
    int64_t items;
    const uint8_t *types;      /* [batch, window], 0 for padding */
    const double *times;       /* [batch, window] unix seconds, NaN when unknown */
    const double *now;         /* [batch] */
    const double *age_begins;  /* [ages - 2] minutes from which on an event is older than the first age that is known */
    const float *long_vectors; /* [batch, dim] */
    const float *long_weights; /* [batch] */
    int64_t batch;
} Events;

static inline Wide wide_at(const float *values) {
    Wide wide;
    memcpy(&wide, values, sizeof wide);
    return wide;
}

static inline void put_wide(float *values, Wide wide) { memcpy(values, &wide, sizeof wide); }

static inline float lanes_sum(Wide sums) {
    return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

static float row_sum(const float *row, int64_t n) {
    Wide sums = {0};
    for (int64_t d = 0; d < n; d += WIDE) sums += wide_at(row + d);
    return lanes_sum(sums);
}

static float dot(const float *row, const float *other, int64_t n) {
    Wide sums = {0};
    for (int64_t d = 0; d < n; d += WIDE) sums += wide_at(row + d) * wide_at(other + d);
    return lanes_sum(sums);
}

static float largest_of(float value, float other) { return value > other ? value : other; }

/* The exponential of a number that is not above 0, by Cody and Waite's reduction and a polynomial. */
static float exponential(float value) {
    value = largest_of(value, -87.0f);
    float shifted = value * 1.44269504f + 12582912.0f, whole = shifted - 12582912.0f;
    float rest = value - whole * 0.693359375f;
    rest = rest - whole * -2.12194440e-4f;
    float sum = 1.9875691500e-4f;
    sum = sum * rest + 1.3981999507e-3f;
    sum = sum * rest + 8.3334519073e-3f;
    sum = sum * rest + 4.1665795894e-2f;
    sum = sum * rest + 1.6666665459e-1f;
    sum = sum * rest + 5.0000001201e-1f;
    sum = sum * (rest * rest) + rest;
    return (sum + 1.0f) * float_of((uint32_t)((int32_t)whole + 127) << 23);
}

/* Half of `value` times one more than the error function of `value` over the root of 2. */
static float gelu(float value) {
    float x = value / 1.41421354f;
    x = x < 4.0f ? x : 4.0f;
    x = x > -4.0f ? x : -4.0f;
    float square = x * x;
    float above = -2.72614225801306e-10f;
    above = above * square + 2.77068142495902e-08f;
    above = above * square + -2.10102402082508e-06f;
    above = above * square + -5.69250639462346e-05f;
    above = above * square + -7.34990630326855e-04f;
    above = above * square + -2.95459980854025e-03f;
    above = above * square + -1.60960333262415e-02f;
    float below = -1.45660718464996e-05f;
    below = below * square + -2.13374055278905e-04f;
    below = below * square + -1.68282697438203e-03f;
    below = below * square + -7.37332916720468e-03f;
    below = below * square + -1.42647390514189e-02f;
    float error = x * above / below;
    return value * (0.5f * (error + 1.0f));
}

/* out = rows @ weights + bias; every sum runs over `in` from 0 upwards, whatever stands beside it. */
static void product(
    const float *rows, int64_t n, int64_t in, const float *weights, const float *bias, int64_t width, float *out) {
    int64_t row = 0;
    for (; row + TILE <= n; row += TILE) {
        const float *first = rows + row * in;
        for (int64_t column = 0; column < width; column += 2 * WIDE) {
            Wide left[TILE] = {{0}}, right[TILE] = {{0}};
            const float *at = weights + column;
            for (int64_t k = 0; k < in; k++, at += width) {
                Wide weight = wide_at(at), next = wide_at(at + WIDE);
                for (int r = 0; r < TILE; r++) {
                    float value = first[r * in + k];
                    left[r] += weight * value;
                    right[r] += next * value;
                }
            }
            for (int r = 0; r < TILE; r++) {
                if (bias) left[r] += wide_at(bias + column), right[r] += wide_at(bias + column + WIDE);
                put_wide(out + (row + r) * width + column, left[r]);
                put_wide(out + (row + r) * width + column + WIDE, right[r]);
            }
        }
    }
    for (; row < n; row++) {
        const float *values = rows + row * in;
        int64_t column = 0;
        for (; column + 8 * WIDE <= width; column += 8 * WIDE) {
            Wide sums[8] = {{0}};
            for (int64_t k = 0; k < in; k++)
                for (int place = 0; place < 8; place++)
                    sums[place] += wide_at(weights + k * width + column + place * WIDE) * values[k];
            for (int place = 0; place < 8; place++) {
                if (bias) sums[place] += wide_at(bias + column + place * WIDE);
                put_wide(out + row * width + column + place * WIDE, sums[place]);
            }
        }
        for (; column < width; column += WIDE) {
            Wide sum = {0};
            for (int64_t k = 0; k < in; k++) sum += wide_at(weights + k * width + column) * values[k];
            if (bias) sum += wide_at(bias + column);
            put_wide(out + row * width + column, sum);
        }
    }
}

static void layer_norm(const float *row, int64_t dim, const float *scale, const float *shift, float epsilon, float *out) {
    float mean = row_sum(row, dim) / (float)dim;
    for (int64_t d = 0; d < dim; d++) out[d] = row[d] - mean;
    float spread = __builtin_sqrtf(dot(out, out, dim) / (float)dim + epsilon);
    for (int64_t d = 0; d < dim; d++) out[d] = out[d] / spread * scale[d] + shift[d];
}

/* The bucket of an event's age: 0 where it is unknown, 1 for the newest. */
static int64_t age_of(const Tower *tower, const Events *events, int64_t request, int64_t at) {
    double minutes = (events->now[request] - events->times[at]) / 60.0;
    if (minutes < 0.0) return 1; /* from the future */
    if (!(minutes - minutes == 0.0)) return 0;
    int64_t age = 1;
    while (age < tower->ages - 1 && minutes >= events->age_begins[age - 1]) age++;
    return age;
}

static void read_vector(const Events *events, int64_t at, int64_t dim, float *vector) {
    if (events->vectors) {
        memcpy(vector, events->vectors + at * dim, (size_t)dim * sizeof(float));
        return;
    }
    int64_t row = events->rows[at];
    float scale = events->scales[row];
    const int8_t *codes = events->codes + row * dim;
    for (int64_t d = 0; d < dim; d++) vector[d] = (float)codes[d] * scale;
}

/* What the stages of a group leave to each other, `[GROUP, ..]` each; and what attention reads of events, `[places, dim]`. */
typedef struct {
    float *means, *inputs, *normed, *seekers, *mixed, *states, *units, *pairs;
    float *own, *keys, *values;
    float *scores;     /* [window] */
    int32_t *rows;     /* [places] whose events have keys and values, and their types: requests share them */
    int32_t *types;
    int32_t *place_of; /* [window] of the events of a request, and so are `ages` */
    int32_t *ages;
    int64_t places, count;
} Room;

static int64_t places_of(const Tower *tower) { return 2 * tower->window; }

static int64_t floats_of(const Tower *tower) {
    int64_t units = tower->feed_units > tower->hidden ? tower->feed_units : tower->hidden, places = places_of(tower);
    return GROUP * (8 * tower->dim + units) + (3 * tower->dim + 2) * places + 3 * tower->window;
}

static Room room_of(const Tower *tower, float *scratch) {
    int64_t each = GROUP * tower->dim, places = places_of(tower), of_places = places * tower->dim;
    Room room = {.means = scratch, .places = places};
    room.inputs = room.means + each;
    room.normed = room.inputs + each;
    room.seekers = room.normed + each;
    room.mixed = room.seekers + each;
    room.states = room.mixed + each;
    room.pairs = room.states + each;
    room.own = room.pairs + 2 * each;
    room.keys = room.own + of_places;
    room.values = room.keys + of_places;
    room.scores = room.values + of_places;
    room.rows = (int32_t *)(room.scores + tower->window);
    room.types = room.rows + places;
    room.place_of = room.types + places;
    room.ages = room.place_of + tower->window;
    room.units = (float *)(room.ages + tower->window);
    return room;
}

/* The weighted mean of all events, and what attention asks for: that of the newest position. */
static void read_newest(const Tower *tower, const Events *events, int64_t request, int64_t place, Room *room) {
    int64_t dim = tower->dim, window = tower->window, first = request * window;
    float *mean = room->means + place * dim, *input = room->inputs + place * dim, *vector = room->own, total = 0.0f;
    for (int64_t d = 0; d < dim; d++) mean[d] = 0.0f;
    for (int64_t position = 0; position < window; position++) {
        int64_t at = first + position, type = events->types[at];
        if (!type) continue;
        float weight = tower->event_weights[(type * tower->ages + age_of(tower, events, request, at)) * window + position];
        read_vector(events, at, dim, vector);
        for (int64_t d = 0; d < dim; d++) mean[d] += vector[d] * weight;
        total += weight;
    }
    total = largest_of(total + events->long_weights[request], 1e-6f);
    const float *further = events->long_vectors + request * dim;
    for (int64_t d = 0; d < dim; d++) mean[d] = (mean[d] + further[d]) / total;
    read_vector(events, first + window - 1, dim, input);
    const float *embedding = tower->embeddings + events->types[first + window - 1] * dim;
    for (int64_t d = 0; d < dim; d++) input[d] += embedding[d];
    layer_norm(input, dim, tower->first_scale, tower->first_shift, tower->first_epsilon, room->normed + place * dim);
}

/* Where the event `at` has its key and value: those of an earlier one on the same item, or -1. */
static int32_t known_place(const Events *events, int64_t at, const Room *room) {
    if (events->vectors) return -1;
    for (int32_t place = 0; place < (int32_t)room->count; place++)
        if (room->rows[place] == events->rows[at] && room->types[place] == events->types[at]) return place;
    return -1;
}

/* Sees to keys and values of the events of a request; returns how many it has. They hang on item and behaviour alone. */
static int64_t read_events(const Tower *tower, const Events *events, int64_t request, Room *room) {
    int64_t dim = tower->dim, window = tower->window, n = 0;
    if (events->vectors || room->count + window > room->places) room->count = 0;
    int64_t first = room->count;
    for (int64_t at = request * window; at < (request + 1) * window; at++) {
        if (!events->types[at]) continue;
        int32_t place = known_place(events, at, room);
        if (place < 0) {
            place = (int32_t)room->count++;
            room->rows[place] = events->vectors ? 0 : events->rows[at];
            room->types[place] = events->types[at];
            float *row = room->own + place * dim;
            read_vector(events, at, dim, row);
            const float *embedding = tower->embeddings + events->types[at] * dim;
            for (int64_t d = 0; d < dim; d++) row[d] += embedding[d];
            layer_norm(row, dim, tower->first_scale, tower->first_shift, tower->first_epsilon, row);
        }
        room->place_of[n++] = place;
    }
    const float *own = room->own + first * dim;
    product(own, room->count - first, dim, tower->keys, tower->key_bias, dim, room->keys + first * dim);
    product(own, room->count - first, dim, tower->values, tower->value_bias, dim, room->values + first * dim);
    return n;
}

/* Attention of the newest position over the events; over itself where there is none. */
static void attend(const Tower *tower, const Events *events, int64_t request, int64_t place, Room *room) {
    int64_t dim = tower->dim, window = tower->window, first = request * window, of_head = dim / tower->heads;
    const float *seeker = room->seekers + place * dim;
    float *mixed = room->mixed + place * dim, *scores = room->scores;
    int64_t n = read_events(tower, events, request, room), known = 0;
    int32_t *ages = room->ages;
    for (int64_t at = first; at < first + window; at++)
        if (events->types[at]) ages[known++] = (int32_t)age_of(tower, events, request, at);
    if (!n) {
        product(room->normed + place * dim, 1, dim, tower->values, tower->value_bias, dim, mixed);
        return;
    }
    for (int64_t d = 0; d < dim; d++) mixed[d] = 0.0f;
    for (int64_t head = 0; head < tower->heads; head++) {
        int64_t start = head * of_head, event = 0;
        float largest = 0.0f, total = 0.0f;
        for (int64_t position = 0; position < window; position++) {
            int64_t at = first + position;
            if (!events->types[at]) continue;
            float bias = tower->position_bias[head * window + position] + tower->age_bias[ages[event] * tower->heads + head];
            const float *key = room->keys + room->place_of[event] * dim + start;
            scores[event] = dot(seeker + start, key, of_head) * tower->attention_scale + bias;
            largest = event ? largest_of(scores[event], largest) : scores[event];
            event++;
        }
        for (event = 0; event < n; event++) {
            scores[event] = exponential(scores[event] - largest);
            total += scores[event];
        }
        for (event = 0; event < n; event++) {
            float share = scores[event] / total;
            const float *values = room->values + room->place_of[event] * dim + start;
            for (int64_t d = 0; d < of_head; d++) mixed[start + d] += values[d] * share;
        }
    }
}

static void finish(const Tower *tower, int64_t n, Room *room, float *queries) {
    int64_t dim = tower->dim;
    product(room->mixed, n, dim, tower->joined, tower->joined_bias, dim, room->states);
    for (int64_t at = 0; at < n * dim; at++) room->states[at] = room->inputs[at] + room->states[at];
    for (int64_t place = 0; place < n; place++)
        layer_norm(room->states + place * dim, dim, tower->second_scale, tower->second_shift, tower->second_epsilon,
                   room->normed + place * dim);
    product(room->normed, n, dim, tower->feed, tower->feed_bias, tower->feed_units, room->units);
    for (int64_t at = 0; at < n * tower->feed_units; at++) room->units[at] = gelu(room->units[at]);
    product(room->units, n, tower->feed_units, tower->fed, tower->fed_bias, dim, room->mixed);
    for (int64_t at = 0; at < n * dim; at++) room->states[at] = room->states[at] + room->mixed[at];
    for (int64_t place = 0; place < n; place++) {
        memcpy(room->pairs + 2 * place * dim, room->means + place * dim, (size_t)dim * sizeof(float));
        memcpy(room->pairs + (2 * place + 1) * dim, room->states + place * dim, (size_t)dim * sizeof(float));
    }
    product(room->pairs, n, 2 * dim, tower->inner, tower->inner_bias, tower->hidden, room->units);
    for (int64_t at = 0; at < n * tower->hidden; at++) room->units[at] = largest_of(room->units[at], 0.0f);
    product(room->units, n, tower->hidden, tower->outer, 0, dim, queries);
    for (int64_t place = 0; place < n; place++) {
        float *query = queries + place * dim;
        const float *mean = room->means + place * dim, *state = room->states + place * dim;
        for (int64_t d = 0; d < dim; d++) query[d] = mean[d] * tower->mean_gate + state[d] * tower->state_gate + query[d];
        float length = largest_of(__builtin_sqrtf(dot(query, query, dim)), 1e-12f);
        for (int64_t d = 0; d < dim; d++) query[d] = query[d] / length / tower->temperature;
    }
}

/* Writes the vectors `[batch, dim]` of requests.
 *
 * Returns 0; where a behaviour or an item is outside of the tables, -1, and nothing is written.
 *
 * scratch: room for `tower_scratch` floats. */
EXPORT int query_vectors(const Tower *tower, const Events *events, float *queries, float *scratch) {
    for (int64_t at = 0; at < events->batch * tower->window; at++) {
        if (events->types[at] >= tower->types) return -1;
        if (!events->vectors && (uint64_t)(int64_t)events->rows[at] >= (uint64_t)events->items) return -1;
    }
    Room room = room_of(tower, scratch);
    for (int64_t first = 0; first < events->batch; first += GROUP) {
        int64_t n = events->batch - first < GROUP ? events->batch - first : GROUP;
        for (int64_t place = 0; place < n; place++) read_newest(tower, events, first + place, place, &room);
        product(room.normed, n, tower->dim, tower->queries, tower->query_bias, tower->dim, room.seekers);
        for (int64_t place = 0; place < n; place++) attend(tower, events, first + place, place, &room);
        finish(tower, n, &room, queries + first * tower->dim);
    }
    return 0;
}

EXPORT int64_t tower_scratch(const Tower *tower) { return floats_of(tower); }
