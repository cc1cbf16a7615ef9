/* How the words of a query stand in titles: how many of them, and whether side by side in order. */
#include "kernels.h"

#define PLACES 256
#define AHEAD 8 /* titles that are asked for before they are read */

/* Some titles: the terms of title `t` and their places are the entries `offsets[t]` up to the next. */
typedef struct {
    const void *terms; /* int32, or uint64 where `is_hashed` */
    const uint8_t *places;
    const int64_t *offsets; /* [count + 1] */
    int64_t count;
    int64_t entries;
    int64_t is_hashed;
} Titles;

static uint32_t words_of(const Titles *titles, int64_t entry, const void *terms, const uint32_t *bits, int64_t count) {
    if (titles->is_hashed) {
        uint64_t term = ((const uint64_t *)titles->terms)[entry];
        for (int64_t i = 0; i < count; i++)
            if (((const uint64_t *)terms)[i] == term) return bits[i];
    } else {
        int32_t term = ((const int32_t *)titles->terms)[entry];
        for (int64_t i = 0; i < count; i++)
            if (((const int32_t *)terms)[i] == term) return bits[i];
    }
    return 0;
}

/* Of the titles `numbers`, `[n]`, the share of the query's words that each has, and the share of its pairs of neighbouring
 * words that stand side by side, to the places `lines` of the outputs. Returns 0 for a title that is not there.
 *
 * terms: `[term_count]` of the query, each once, as the titles name them; bits: of each, a bit for each of its words.
 * weights: `[words]`, at most 32. */
EXPORT int title_features(
    const Titles *titles, const int64_t *numbers, const int64_t *lines, int64_t n, const void *terms, const uint32_t *bits,
    int64_t term_count, const float *weights, int64_t words, float *share, float *in_order) {
    float most_pairs = (float)(words > 2 ? words - 1 : 1);
    uint32_t at[PLACES + 1] = {0}; /* zeros again behind each title */
    for (int64_t i = 0; i < n; i++) {
        int64_t title = numbers[i];
        if (i + AHEAD < n && (uint64_t)numbers[i + AHEAD] < (uint64_t)titles->count)
            __builtin_prefetch(titles->offsets + numbers[i + AHEAD]);
        if (i + AHEAD / 2 < n && (uint64_t)numbers[i + AHEAD / 2] < (uint64_t)titles->count) {
            int64_t next = titles->offsets[numbers[i + AHEAD / 2]];
            __builtin_prefetch((const char *)titles->terms + next * (titles->is_hashed ? 8 : 4));
            __builtin_prefetch(titles->places + next);
        }
        if (title < 0 || title >= titles->count) return 0;
        if (titles->offsets[title] < 0 || titles->offsets[title + 1] > titles->entries) return 0;
        uint32_t any = 0, pairs = 0;
        int64_t last = -1;
        for (int64_t entry = titles->offsets[title]; entry < titles->offsets[title + 1]; entry++) {
            uint32_t there = words_of(titles, entry, terms, bits, term_count);
            if (!there) continue;
            at[titles->places[entry]] |= there;
            any |= there;
            last = titles->places[entry] > last ? titles->places[entry] : last;
        }
        for (int64_t place = 0; place <= last; place++) pairs |= at[place] & ((at[place] | at[place + 1]) >> 1);
        for (int64_t place = 0; place <= last; place++) at[place] = 0;
        float sum = 0.0f;
        for (int64_t word = 0; word < words; word++)
            if (any >> word & 1) sum += weights[word];
        share[lines[i]] = sum < 1.0f ? sum : 1.0f;
        in_order[lines[i]] = (float)__builtin_popcount(pairs) / most_pairs;
    }
    return 1;
}
