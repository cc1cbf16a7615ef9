/* Cosines of one query with all items, by products of int8 vectors. */
#include "kernels.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

/* The product of the numbers from `d` on. */
static inline int32_t rest_of(const int8_t *item, const int8_t *query, int64_t d, int64_t dim) {
    int32_t sum = 0;
    for (; d < dim; d++) sum += (int32_t)item[d] * (int32_t)query[d];
    return sum;
}

#if defined(__AVX2__)

#define STEP 32

/* Two neighbouring products of an item's size and a query's number with the item's sign are at most 2 * 128 * 127: none
 * is cut off at 16 bits. */
static inline __m256i add_products(__m256i sums, const int8_t *item, __m256i query) {
    __m256i numbers = _mm256_loadu_si256((const __m256i *)(const void *)item);
    __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(numbers), _mm256_sign_epi8(query, numbers));
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

/* Products of a query with four items that lie one behind the other. */
static inline __m128i four_products(const int8_t *items, const int8_t *query, int64_t dim) {
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    int64_t at = 0;
    for (; at + STEP <= dim; at += STEP) {
        __m256i numbers = _mm256_loadu_si256((const __m256i *)(const void *)(query + at));
        a = add_products(a, items + at, numbers);
        b = add_products(b, items + dim + at, numbers);
        c = add_products(c, items + 2 * dim + at, numbers);
        d = add_products(d, items + 3 * dim + at, numbers);
    }
    __m256i sums = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
    __m128i products = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    if (at == dim) return products;
    return _mm_add_epi32(
        products, _mm_setr_epi32(
                      rest_of(items, query, at, dim), rest_of(items + dim, query, at, dim),
                      rest_of(items + 2 * dim, query, at, dim), rest_of(items + 3 * dim, query, at, dim)));
}

#elif defined(__SSE2__)

#define STEP 16

static inline __m128i low_half(__m128i numbers) { return _mm_srai_epi16(_mm_unpacklo_epi8(numbers, numbers), 8); }

static inline __m128i high_half(__m128i numbers) { return _mm_srai_epi16(_mm_unpackhi_epi8(numbers, numbers), 8); }

static inline int32_t product_of(const int8_t *item, const int8_t *query, int64_t dim) {
    __m128i sums = _mm_setzero_si128();
    int64_t d = 0;
    for (; d + STEP <= dim; d += STEP) {
        __m128i one = _mm_loadu_si128((const __m128i *)(const void *)(item + d));
        __m128i other = _mm_loadu_si128((const __m128i *)(const void *)(query + d));
        sums = _mm_add_epi32(sums, _mm_madd_epi16(low_half(one), low_half(other)));
        sums = _mm_add_epi32(sums, _mm_madd_epi16(high_half(one), high_half(other)));
    }
    sums = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0x4E));
    sums = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0xB1));
    return _mm_cvtsi128_si32(sums) + rest_of(item, query, d, dim);
}

#else

static inline int32_t product_of(const int8_t *item, const int8_t *query, int64_t dim) {
    return rest_of(item, query, 0, dim);
}

#endif

/* Of each row the product of its vector with the query, times the query's unit, times the row's scale.
 *
 * vectors: `[rows, dim]`; query: `[dim]` numbers of at most 127. */
EXPORT void cosines_of_rows(
    const int8_t *vectors, const float *scales, int64_t rows, int64_t dim, const int8_t *query, float unit, float *cosines) {
    int64_t row = 0;
#if defined(__AVX2__)
    for (; row + 4 <= rows; row += 4) {
        __m128 products = _mm_cvtepi32_ps(four_products(vectors + row * dim, query, dim));
        __m128 scaled = _mm_mul_ps(_mm_mul_ps(products, _mm_set1_ps(unit)), _mm_loadu_ps(scales + row));
        _mm_storeu_ps(cosines + row, scaled);
    }
    for (; row < rows; row++) cosines[row] = (float)rest_of(vectors + row * dim, query, 0, dim) * unit * scales[row];
#else
    for (; row < rows; row++) cosines[row] = (float)product_of(vectors + row * dim, query, dim) * unit * scales[row];
#endif
}
