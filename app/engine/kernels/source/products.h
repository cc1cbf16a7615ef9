/* Products of int8 vectors: one item with several others at once. */
#ifndef AISLE_PRODUCTS_H
#define AISLE_PRODUCTS_H

#include <stdint.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#define QUERY_LIMIT 127.0f

static inline float larger(float value, float other) { return value > other ? value : other; }

/* The nearest whole number, halves to the even one, of a value of at most a million. */
static inline float whole(float value) {
    float shifted = value + 12582912.0f;
    return shifted - 12582912.0f;
}

/* What a query's numbers are told in, so that they are whole and at most QUERY_LIMIT. */
static inline float unit_of(const float *query, int64_t dim) {
    float largest = 0.0f;
    for (int64_t d = 0; d < dim; d++) largest = larger(__builtin_fabsf(query[d]), largest);
    return larger(largest / QUERY_LIMIT, 1e-12f);
}

#define LANES 16 /* vectors that an item is multiplied with at once */

/* Entries of the lanes of `dim` numbers: [dim / 2, LANES, 2], so that two neighbours are multiplied and added in one step. */
static inline int64_t lanes_of(int64_t dim) { return (dim + 1) / 2 * 2 * LANES; }

static inline int64_t lane_at(int64_t d, int lane) { return (d / 2 * LANES + lane) * 2 + d % 2; }

/* Two neighbouring numbers of an item, as 16 bits each. */
static inline int32_t pair_of(const int8_t *item, int64_t d) {
    return (int32_t)((uint32_t)(uint16_t)item[d] | (uint32_t)(uint16_t)item[d + 1] << 16);
}

static inline int32_t last_of(const int8_t *item, int64_t d) { return (int32_t)(uint32_t)(uint16_t)item[d]; }

/* Products of an item with the vectors of all lanes. They are whole numbers below 2^24: every sum is exact. */
static inline void products_of(const int8_t *item, const int16_t *lanes, int64_t dim, float *products) {
    int64_t d = 0;
#if defined(__AVX2__)
    const __m256i *at = (const __m256i *)(const void *)lanes;
    __m256i low = _mm256_setzero_si256(), high = low, other_low = low, other_high = low;
    for (; d + 4 <= dim; d += 4, at += 4) {
        __m256i pair = _mm256_set1_epi32(pair_of(item, d)), next = _mm256_set1_epi32(pair_of(item, d + 2));
        low = _mm256_add_epi32(low, _mm256_madd_epi16(pair, _mm256_loadu_si256(at)));
        high = _mm256_add_epi32(high, _mm256_madd_epi16(pair, _mm256_loadu_si256(at + 1)));
        other_low = _mm256_add_epi32(other_low, _mm256_madd_epi16(next, _mm256_loadu_si256(at + 2)));
        other_high = _mm256_add_epi32(other_high, _mm256_madd_epi16(next, _mm256_loadu_si256(at + 3)));
    }
    for (; d < dim; d += 2, at += 2) {
        __m256i pair = _mm256_set1_epi32(d + 1 < dim ? pair_of(item, d) : last_of(item, d));
        low = _mm256_add_epi32(low, _mm256_madd_epi16(pair, _mm256_loadu_si256(at)));
        high = _mm256_add_epi32(high, _mm256_madd_epi16(pair, _mm256_loadu_si256(at + 1)));
    }
    _mm256_storeu_ps(products, _mm256_cvtepi32_ps(_mm256_add_epi32(low, other_low)));
    _mm256_storeu_ps(products + 8, _mm256_cvtepi32_ps(_mm256_add_epi32(high, other_high)));
#elif defined(__SSE2__)
    const __m128i *at = (const __m128i *)(const void *)lanes;
    __m128i sums[4] = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};
    for (; d < dim; d += 2, at += 4) {
        __m128i pair = _mm_set1_epi32(d + 1 < dim ? pair_of(item, d) : last_of(item, d));
        for (int i = 0; i < 4; i++) sums[i] = _mm_add_epi32(sums[i], _mm_madd_epi16(pair, _mm_loadu_si128(at + i)));
    }
    for (int i = 0; i < 4; i++) _mm_storeu_ps(products + 4 * i, _mm_cvtepi32_ps(sums[i]));
#else
    int32_t sums[LANES] = {0};
    for (; d < dim; d++) {
        for (int lane = 0; lane < LANES; lane++) sums[lane] += (int32_t)item[d] * (int32_t)lanes[lane_at(d, lane)];
    }
    for (int lane = 0; lane < LANES; lane++) products[lane] = (float)sums[lane];
#endif
}

/* The product of an item with a query of whole numbers, -127 the least. */
static inline int32_t byte_product(const int8_t *item, const int8_t *query, int64_t dim) {
    int64_t d = 0;
    int32_t sum = 0;
#if defined(__AVX2__)
    __m256i sums = _mm256_setzero_si256(), ones = _mm256_set1_epi16(1);
    for (; d + 32 <= dim; d += 32) {
        __m256i of_item = _mm256_loadu_si256((const __m256i *)(const void *)(item + d));
        __m256i of_query = _mm256_loadu_si256((const __m256i *)(const void *)(query + d));
        /* two products of at most 128 * 127 fit into 16 bits */
        __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(of_item), _mm256_sign_epi8(of_query, of_item));
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, ones));
    }
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4E));
    sum = _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 0xB1)));
#endif
    for (; d < dim; d++) sum += (int32_t)item[d] * (int32_t)query[d];
    return sum;
}

#endif
