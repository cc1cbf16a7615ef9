/* The items nearest to query vectors: products with all items, and of those the few with the best scores, in one pass that
 * keeps neither products nor scores. */
#include "best.h"
#include "products.h"

#define TILE 256         /* items whose products with a query are held at once, at most */
#define TILE_BYTES 16384 /* of their vectors */
#define GROUP 8          /* items that are multiplied with a query at once */
#define PIECE 32         /* numbers of a vector that are read at once */
#define ROWS 16          /* items that are multiplied with several queries at once */
#define QUERIES 4        /* so many */

/* Columns by item row. */
typedef struct {
    const int8_t *vectors; /* [rows, dim] */
    const float *scales;
    int64_t rows;
    int64_t dim;
    int64_t level; /* of the processor, see `product_level` */
} Vectors;

/* What one query has so far. */
typedef struct {
    const uint8_t *allowed;
    const uint64_t *left_out; /* rows, ascending, and one that is larger than any */
    const uint64_t *next;     /* of them, the first that is not below the items that come */
    uint64_t *keys;
    uint64_t *other;
    int64_t count;
    int64_t number; /* of the query in its batch */
    float unit;
    float least;
    int32_t more; /* what `products_packed` takes off */
} Search;

static int64_t padded(int64_t dim) { return (dim + PIECE - 1) / PIECE * PIECE; }

static int32_t product_of(const int8_t *item, const int8_t *query, int64_t dim) {
    int32_t sum = 0;
    for (int64_t d = 0; d < dim; d++) sum += (int32_t)item[d] * (int32_t)query[d];
    return sum;
}

static void products_plain(
    const int8_t *items, int64_t step, int64_t count, int64_t dim, const int8_t *query, int32_t *products) {
    for (int64_t i = 0; i < count; i++) products[i] = product_of(items + i * step, query, dim);
}

/* Products of `GROUP`s of items that lie behind each other, with a query that zeros follow up to a whole piece: so what is
 * read behind an item counts for nothing. */
#if defined(__AVX2__)
#define TARGET_WIDE __attribute__((target("avx512f,avx512vl,avx512vnni")))

/* Of each of eight vectors the sum of its numbers. */
static inline __m256i eight_sums(const __m256i *sums) {
    __m256i low = _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
    __m256i high = _mm256_hadd_epi32(_mm256_hadd_epi32(sums[4], sums[5]), _mm256_hadd_epi32(sums[6], sums[7]));
    return _mm256_add_epi32(_mm256_permute2x128_si256(low, high, 0x20), _mm256_permute2x128_si256(low, high, 0x31));
}

static void products_narrow(
    const int8_t *items, int64_t step, int64_t count, int64_t dim, const int8_t *query, int32_t *products) {
    const __m256i ones = _mm256_set1_epi16(1);
    for (int64_t i = 0; i < count; i += GROUP) {
        __m256i sums[GROUP];
        for (int at = 0; at < GROUP; at++) sums[at] = _mm256_setzero_si256();
        for (int64_t d = 0; d < dim; d += PIECE) {
            __m256i of_query = _mm256_loadu_si256((const __m256i *)(const void *)(query + d));
            for (int at = 0; at < GROUP; at++) {
                __m256i item = _mm256_loadu_si256((const __m256i *)(const void *)(items + (i + at) * step + d));
                /* two products of at most 128 * 127 fit into 16 bits */
                __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(item), _mm256_sign_epi8(of_query, item));
                sums[at] = _mm256_add_epi32(sums[at], _mm256_madd_epi16(pairs, ones));
            }
        }
        _mm256_storeu_si256((__m256i *)(void *)(products + i), eight_sums(sums));
    }
}

/* The instruction multiplies numbers from 0 to 255 with signed ones: an item's are 128 more, and so are its products more by
 * 128 times the query's sum. */
TARGET_WIDE static void products_wide(
    const int8_t *items, int64_t step, int64_t count, int64_t dim, const int8_t *query, int32_t *products) {
    const __m256i shift = _mm256_set1_epi8((char)0x80);
    int32_t sum = 0;
    for (int64_t d = 0; d < dim; d++) sum += query[d];
    const __m256i more = _mm256_set1_epi32(128 * sum);
    for (int64_t i = 0; i < count; i += GROUP) {
        __m256i sums[GROUP];
        for (int at = 0; at < GROUP; at++) sums[at] = _mm256_setzero_si256();
        for (int64_t d = 0; d < dim; d += PIECE) {
            __m256i of_query = _mm256_loadu_si256((const __m256i *)(const void *)(query + d));
            for (int at = 0; at < GROUP; at++) {
                __m256i item = _mm256_loadu_si256((const __m256i *)(const void *)(items + (i + at) * step + d));
                sums[at] = _mm256_dpbusd_epi32(sums[at], _mm256_xor_si256(item, shift), of_query);
            }
        }
        _mm256_storeu_si256((__m256i *)(void *)(products + i), _mm256_sub_epi32(eight_sums(sums), more));
    }
}

/* Puts four numbers of each of `ROWS` items beside each other, `[dim / 4, ROWS, 4]`, for products of several queries. */
static void pack(const int8_t *items, int64_t dim, int8_t *packed) {
    const __m128i shift = _mm_set1_epi8((char)0x80);
    for (int64_t d = 0; d < dim; d += 16) {
        for (int64_t row = 0; row < ROWS; row += 4) {
            const int8_t *from = items + row * dim + d;
            __m128i a = _mm_loadu_si128((const __m128i *)(const void *)from);
            __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(from + dim));
            __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(from + 2 * dim));
            __m128i e = _mm_loadu_si128((const __m128i *)(const void *)(from + 3 * dim));
            __m128i ab = _mm_unpacklo_epi32(a, b), ce = _mm_unpacklo_epi32(c, e);
            __m128i ab_high = _mm_unpackhi_epi32(a, b), ce_high = _mm_unpackhi_epi32(c, e);
            __m128i four[4] = {
                _mm_unpacklo_epi64(ab, ce), _mm_unpackhi_epi64(ab, ce), _mm_unpacklo_epi64(ab_high, ce_high),
                _mm_unpackhi_epi64(ab_high, ce_high)};
            for (int part = 0; part < 4; part++)
                _mm_storeu_si128(
                    (__m128i *)(void *)(packed + (d / 4 + part) * 4 * ROWS + 4 * row), _mm_xor_si128(four[part], shift));
        }
    }
}

/* Products of `ROWS` packed items with `QUERIES` queries, `TILE` products from one query's to the next's. */
TARGET_WIDE static void products_packed(
    const int8_t *packed, int64_t dim, const int8_t *const *queries, const int32_t *more, int32_t *products) {
    __m512i sums[QUERIES];
    for (int query = 0; query < QUERIES; query++) sums[query] = _mm512_setzero_si512();
    for (int64_t d = 0; d < dim; d += 4) {
        __m512i items = _mm512_loadu_si512(packed + d * ROWS);
        for (int query = 0; query < QUERIES; query++) {
            int32_t numbers;
            __builtin_memcpy(&numbers, queries[query] + d, sizeof numbers);
            sums[query] = _mm512_dpbusd_epi32(sums[query], items, _mm512_set1_epi32(numbers));
        }
    }
    for (int query = 0; query < QUERIES; query++)
        _mm512_storeu_si512(products + query * TILE, _mm512_sub_epi32(sums[query], _mm512_set1_epi32(more[query])));
}

/* Which of `count` scores, a multiple of `ROWS`, of allowed items reach the least one: a bit each. */
TARGET_WIDE static void reach_wide(
    const int32_t *products, float unit, const float *scales, const uint8_t *allowed, int64_t count, float least, uint16_t *hits) {
    const __m512 units = _mm512_set1_ps(unit), leasts = _mm512_set1_ps(least);
    for (int64_t i = 0; i < count; i += ROWS) {
        __m512 scores = _mm512_mul_ps(
            _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_loadu_si512(products + i)), units), _mm512_loadu_ps(scales + i));
        __m128i may = _mm_loadu_si128((const __m128i *)(const void *)(allowed + i));
        uint32_t is_allowed = ~(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(may, _mm_setzero_si128()));
        hits[i / ROWS] = (uint16_t)(_mm512_cmp_ps_mask(scores, leasts, _CMP_GE_OQ) & is_allowed);
    }
}
#endif

/* Products of a query with `count` items, `step` bytes from one to the next; `after` bytes of other items follow the last. */
static void products_with(
    const Vectors *of, const int8_t *items, int64_t step, int64_t count, int64_t after, const int8_t *query, int32_t *products) {
    int64_t dim = of->dim, fast = 0;
#if defined(__AVX2__)
    int64_t missing = padded(dim) - dim - after; /* bytes that reading whole pieces would take too many */
    int64_t readable = missing > 0 ? count - (missing + step - 1) / step : count;
    fast = readable > 0 ? readable / GROUP * GROUP : 0;
    if (of->level > 1) products_wide(items, step, fast, dim, query, products);
    else products_narrow(items, step, fast, dim, query, products);
#else
    (void)after;
#endif
    products_plain(items + fast * step, step, count - fast, dim, query, products + fast);
}

/* Keeps the best `k` keys alone, and lets in what reaches the worst of them. */
static void keep_best(Search *search, int64_t k) {
    uint64_t *sorted = sort_keys(search->keys, search->other, search->count, 32, 64);
    if (sorted != search->keys) {
        search->other = search->keys;
        search->keys = sorted;
    }
    if (search->count < k || !k) return;
    search->count = k;
    float worst = score_in(sorted[k - 1]);
    search->least = worst > search->least ? worst : search->least;
}

/* Which of `count` scores of allowed items reach the least one: a bit each. */
static void reach(
    const Vectors *of, const int32_t *products, float unit, const float *scales, const uint8_t *allowed, int64_t count,
    float least, uint64_t *hits) {
    uint8_t each[TILE] = {0};
    int64_t done = 0;
    for (int64_t word = 0; word < TILE / 64; word++) hits[word] = 0;
#if defined(__AVX2__)
    if (of->level > 1) {
        uint16_t parts[TILE / ROWS] = {0};
        done = count / ROWS * ROWS;
        reach_wide(products, unit, scales, allowed, done, least, parts);
        __builtin_memcpy(hits, parts, sizeof parts); /* little-endian */
    }
#endif
    (void)of;
    for (int64_t i = done; i < count; i++) each[i] = (uint8_t)((float)products[i] * unit * scales[i] >= least) & allowed[i];
    for (int64_t i = done / 8 * 8; i < count; i += 8) {
        uint64_t eight; /* bytes of 0 or 1, of which the lowest bits are gathered into one byte: little-endian */
        __builtin_memcpy(&eight, each + i, sizeof eight);
        hits[i / 64] |= (eight * 0x0102040810204080u >> 56) << (i % 64);
    }
}

/* Takes in the items of a tile that reach the least score. */
static void take_in(
    Search *search, const Vectors *of, const int32_t *products, int64_t first, int64_t count, int64_t k, int64_t room) {
    const float *scales = of->scales + first;
    uint64_t hits[TILE / 64];
    reach(of, products, search->unit, scales, search->allowed + first, count, search->least, hits);
    for (; *search->next < (uint64_t)(first + count); search->next++) {
        uint64_t at = *search->next - (uint64_t)first;
        hits[at / 64] &= ~((uint64_t)1 << (at % 64));
    }
    for (int64_t word = 0; word * 64 < count; word++) {
        for (uint64_t left = hits[word]; left; left &= left - 1) {
            int64_t hit = word * 64 + __builtin_ctzll(left);
            if (search->count == room) keep_best(search, k);
            search->keys[search->count++] = key_of((float)products[hit] * search->unit * scales[hit], first + hit);
        }
    }
}

/* Products of a tile with some queries, `TILE` from one query's to the next's, and what reaches the least scores of each. */
static void tile_of(
    const Vectors *of, const int8_t *queries, Search *const *searches, int64_t searching, int64_t first, int64_t count,
    int64_t k, int64_t room, int8_t *packed) {
    int64_t dim = of->dim, after = (of->rows - first - count) * dim, query = 0;
    const int8_t *items = of->vectors + first * dim;
    int32_t products[QUERIES * TILE];
#if defined(__AVX2__)
    int64_t missing = padded(dim) - dim - after, rows = count / ROWS * ROWS;
    if (of->level > 1 && searching >= QUERIES && missing <= 0) {
        for (int64_t row = 0; row < rows; row += ROWS) pack(items + row * dim, dim, packed + row * padded(dim));
        for (; query + QUERIES <= searching; query += QUERIES) {
            const int8_t *codes[QUERIES];
            int32_t more[QUERIES];
            for (int at = 0; at < QUERIES; at++) {
                codes[at] = queries + searches[query + at]->number * padded(dim);
                more[at] = searches[query + at]->more;
            }
            for (int64_t row = 0; row < rows; row += ROWS)
                products_packed(packed + row * padded(dim), dim, codes, more, products + row);
            for (int at = 0; at < QUERIES; at++) {
                products_with(of, items + rows * dim, dim, count - rows, after, codes[at], products + at * TILE + rows);
                take_in(searches[query + at], of, products + at * TILE, first, count, k, room);
            }
        }
    }
#else
    (void)packed;
#endif
    for (; query < searching; query++) {
        products_with(of, items, dim, count, after, queries + searches[query]->number * padded(dim), products);
        take_in(searches[query], of, products, first, count, k, room);
    }
}

/* One pass over all items for some queries. */
static void pass(
    const Vectors *of, const int8_t *queries, Search *const *searches, int64_t searching, int64_t k, int64_t room, int8_t *packed) {
    int64_t tile = TILE_BYTES / padded(of->dim) / ROWS * ROWS;
    tile = tile < ROWS ? ROWS : tile > TILE ? TILE : tile;
    for (int64_t query = 0; query < searching; query++) {
        searches[query]->next = searches[query]->left_out;
        searches[query]->count = 0;
    }
    for (int64_t first = 0; first < of->rows; first += tile) {
        int64_t count = of->rows - first < tile ? of->rows - first : tile;
        tile_of(of, queries, searches, searching, first, count, k, room, packed);
    }
}

static int64_t room_for(int64_t rows, int64_t k) {
    int64_t room = 4 * k + SAMPLE;
    return room < rows + 1 ? room : rows + 1;
}

/* The bytes of scratch that `nearest_items` needs. */
EXPORT int64_t nearest_scratch(int64_t batch, int64_t rows, int64_t dim, int64_t excluded, int64_t k) {
    int64_t keys = 2 * (excluded + 1) + 2 * room_for(rows, k);
    return batch * ((int64_t)(sizeof(Search) + sizeof(Search *)) + padded(dim) + keys * (int64_t)sizeof(uint64_t)) +
           2 * SAMPLE * (int64_t)(sizeof(int32_t) + sizeof(float)) + TILE_BYTES;
}

/* Of each query, the `k` allowed items with the best scores, best first, the lower row first of equal ones: scores and rows
 * `[batch, k]`, -inf and 0 where fewer are allowed.
 *
 * queries: `[batch, dim]`.
 * allowed: `mask_step` bytes from one query to the next.
 * exclude_rows: `[batch, excluded]`, 0 pads.
 * scratch: `nearest_scratch` bytes, aligned to 64. */
EXPORT void nearest_items(
    const Vectors *of, int64_t batch, const float *queries, const uint8_t *allowed, int64_t mask_step,
    const int64_t *exclude_rows, int64_t excluded, int64_t k, float *best_scores, int64_t *best_rows, char *scratch) {
    int64_t rows = of->rows, dim = of->dim, room = room_for(rows, k), width = padded(dim);
    Search *searches = (Search *)(void *)scratch;
    Search **left = (Search **)(void *)(searches + batch);
    uint64_t *keys = (uint64_t *)(void *)(left + batch);
    uint64_t *left_out = keys + 2 * batch * room;
    float *sample = (float *)(void *)(left_out + 2 * batch * (excluded + 1));
    int32_t *products = (int32_t *)(void *)(sample + 2 * SAMPLE);
    int8_t *packed = (int8_t *)(products + 2 * SAMPLE), *codes = packed + TILE_BYTES;
    int64_t step = sample_step(rows, k + excluded), first = step / 2, drawn = step ? (rows - first + step - 1) / step : 0;
    for (int64_t query = 0; query < batch; query++) {
        Search *search = searches + query;
        int8_t *code = codes + query * width;
        const float *numbers = queries + query * dim;
        int64_t out = 0, count = 0;
        *search = (Search){
            .allowed = allowed + query * mask_step, .keys = keys + 2 * query * room, .number = query,
            .unit = unit_of(numbers, dim), .least = LOWEST};
        search->other = search->keys + room;
        for (int64_t d = 0; d < width; d++) {
            code[d] = d < dim ? (int8_t)whole(numbers[d] / search->unit) : 0;
            search->more += 128 * code[d];
        }
        uint64_t *of_query = left_out + 2 * query * (excluded + 1);
        for (int64_t place = 0; place < excluded; place++) {
            int64_t row = exclude_rows[query * excluded + place];
            if (row >= 0 && row < rows) of_query[out++] = (uint64_t)row;
        }
        uint64_t *sorted = sort_keys(of_query, of_query + excluded + 1, out, 0, 40);
        sorted[out] = (uint64_t)-1;
        search->left_out = sorted;
        left[query] = search;
        if (!step) continue;
        int64_t after = (rows - 1 - (first + (drawn - 1) * step)) * dim;
        products_with(of, of->vectors + first * dim, step * dim, drawn, after, code, products);
        for (int64_t i = 0; i < drawn; i++) {
            int64_t row = first + i * step;
            float score = (float)products[i] * search->unit * of->scales[row];
            sample[count] = score;
            count += search->allowed[row] && score == score;
        }
        search->least = guess_of(sample, count, step, k + out);
    }
    for (int64_t searching = batch; searching;) {
        pass(of, codes, left, searching, k, room, packed);
        int64_t missing = 0;
        for (int64_t at = 0; at < searching; at++) { /* whose guess was too high begins again without one */
            if (left[at]->count >= k || left[at]->least == LOWEST) continue;
            left[at]->least = LOWEST;
            left[missing++] = left[at];
        }
        searching = missing;
    }
    for (int64_t query = 0; query < batch; query++) {
        Search *search = searches + query;
        keep_best(search, k);
        for (int64_t place = 0; place < k; place++) {
            float score = -__builtin_inff();
            int64_t row = PADDING_ROW;
            if (place < search->count) {
                row = (int64_t)(search->keys[place] & 0xFFFFFFFFu);
                score = score_in(search->keys[place]);
                if (score == 0.0f) /* its sign is not in the key */
                    score = (float)product_of(of->vectors + row * dim, codes + query * width, dim) * search->unit * of->scales[row];
            }
            best_scores[query * k + place] = score;
            best_rows[query * k + place] = row;
        }
    }
}
