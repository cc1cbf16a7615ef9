/* The items nearest to query vectors: products with all items, and of those the few with the best scores, in one pass that
 * keeps neither products nor scores. */
#include "best.h"
#include "products.h"

#define TILE 256      /* items whose products with a query are held at once, at most */
#define TILE_BYTES 16384 /* of their vectors */
#define GROUP 8       /* items that a tile is a multiple of */
#define PIECE 32      /* numbers of a vector that are read at once */

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
    float unit;
    float least;
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

/* Takes in the items of a tile that reach the least score. */
static void take_in(
    Search *search, const Vectors *of, const int32_t *products, int64_t first, int64_t count, int64_t k, int64_t room) {
    const float *scales = of->scales + first;
    const uint8_t *allowed = search->allowed + first;
    uint8_t hits[TILE];
    float unit = search->unit, least = search->least;
    int64_t whole_words = count / 8 * 8;
    for (int64_t i = 0; i < count; i++) hits[i] = (uint8_t)((float)products[i] * unit * scales[i] >= least) & allowed[i];
    for (; *search->next < (uint64_t)(first + count); search->next++) hits[*search->next - (uint64_t)first] = 0;
    for (int64_t at = 0; at < count; at += 8) {
        uint64_t left = 0;
        if (at < whole_words) __builtin_memcpy(&left, hits + at, 8);
        else for (int64_t i = at; i < count; i++) left |= (uint64_t)hits[i] << (8 * (i - at)); /* little-endian */
        for (; left; left &= left - 1) {
            int64_t hit = at + (__builtin_ctzll(left) >> 3);
            if (search->count == room) keep_best(search, k);
            search->keys[search->count++] = key_of((float)products[hit] * unit * scales[hit], first + hit);
        }
    }
}

/* One pass over all items for the queries of a batch that are `marked`. */
static void pass(
    const Vectors *of, int64_t batch, const int8_t *queries, Search *searches, const uint8_t *marked, int64_t k, int64_t room) {
    int64_t dim = of->dim, tile = TILE_BYTES / dim / GROUP * GROUP;
    tile = tile < GROUP ? GROUP : tile > TILE ? TILE : tile;
    int32_t products[TILE];
    for (int64_t query = 0; query < batch; query++) {
        searches[query].next = searches[query].left_out;
        if (marked[query]) searches[query].count = 0;
    }
    for (int64_t first = 0; first < of->rows; first += tile) {
        int64_t count = of->rows - first < tile ? of->rows - first : tile;
        const int8_t *items = of->vectors + first * dim;
        for (int64_t query = 0; query < batch; query++) {
            if (!marked[query]) continue;
            products_with(of, items, dim, count, (of->rows - first - count) * dim, queries + query * padded(dim), products);
            take_in(searches + query, of, products, first, count, k, room);
        }
    }
}

static int64_t room_for(int64_t rows, int64_t k) {
    int64_t room = 4 * k + SAMPLE;
    return room < rows + 1 ? room : rows + 1;
}

/* The bytes of scratch that `nearest_items` needs. */
EXPORT int64_t nearest_scratch(int64_t batch, int64_t rows, int64_t dim, int64_t excluded, int64_t k) {
    return batch * ((int64_t)sizeof(Search) + padded(dim) + 16 + (2 * (excluded + 1) + 2 * room_for(rows, k)) * 8) +
           2 * SAMPLE * (int64_t)(sizeof(int32_t) + sizeof(float)) + batch;
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
    uint64_t *keys = (uint64_t *)(void *)(searches + batch);
    uint64_t *left_out = keys + 2 * batch * room;
    float *sample = (float *)(void *)(left_out + 2 * batch * (excluded + 1));
    int32_t *products = (int32_t *)(void *)(sample + 2 * SAMPLE);
    int8_t *codes = (int8_t *)(products + 2 * SAMPLE);
    uint8_t *marked = (uint8_t *)(codes + batch * width);
    int64_t step = sample_step(rows, k + excluded), first = step / 2, drawn = step ? (rows - first + step - 1) / step : 0;
    for (int64_t query = 0; query < batch; query++) {
        Search *search = searches + query;
        int8_t *code = codes + query * width;
        const float *numbers = queries + query * dim;
        int64_t out = 0, count = 0;
        *search = (Search){
            .allowed = allowed + query * mask_step, .keys = keys + 2 * query * room, .unit = unit_of(numbers, dim), .least = LOWEST};
        search->other = search->keys + room;
        for (int64_t d = 0; d < width; d++) code[d] = d < dim ? (int8_t)whole(numbers[d] / search->unit) : 0;
        uint64_t *of_query = left_out + 2 * query * (excluded + 1);
        for (int64_t place = 0; place < excluded; place++) {
            int64_t row = exclude_rows[query * excluded + place];
            if (row >= 0 && row < rows) of_query[out++] = (uint64_t)row;
        }
        uint64_t *sorted = sort_keys(of_query, of_query + excluded + 1, out, 0, 40);
        sorted[out] = (uint64_t)-1;
        search->left_out = sorted;
        marked[query] = 1;
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
    for (int again = 0; again < 2; again++) {
        pass(of, batch, codes, searches, marked, k, room);
        int64_t missing = 0;
        for (int64_t query = 0; query < batch; query++) {
            Search *search = searches + query;
            marked[query] = search->count < k && search->least > LOWEST;
            missing += marked[query];
            search->least = marked[query] ? LOWEST : search->least;
        }
        if (!missing) break;
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
