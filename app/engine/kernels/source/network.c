/* The network that gives the order of candidates: two inner layers, and one feature beside them. */
#include "kernels.h"

#if defined(__FMA__)
#include <immintrin.h>
#endif

#define SIDE 16 /* candidates side by side: no sum hangs on what is beside it */
#define HALF 8
#define UNITS 4 /* sums that are worked out at once */

typedef struct {
    float lane[SIDE];
} Side;

#if !defined(__FMA__)

/* A product and a sum, rounded once. The exact product plus a number is rounded to an odd number of twice the digits first, so
 * that rounding it again is as if it were done once. */
static inline float fused(float value, float weight, float sum) {
#if defined(__ARM_FEATURE_FMA)
    return __builtin_fmaf(value, weight, sum);
#else
    union { double number; uint64_t bits; } both;
    double product = (double)value * (double)weight, other = (double)sum;
    both.number = product + other;
    double part = both.number - product, rest = (product - (both.number - part)) + (other - part);
    if (rest != 0.0 && !(both.bits & 1)) both.bits += (rest > 0.0) == (both.number > 0.0) ? 1 : (uint64_t)-1;
    return (float)both.number;
#endif
}

#endif

static inline void add_product(Side *sum, const Side *in, float weight) {
#if defined(__FMA__)
    __m256 weights = _mm256_set1_ps(weight);
    for (int at = 0; at < SIDE; at += HALF) {
        __m256 product = _mm256_fmadd_ps(_mm256_loadu_ps(in->lane + at), weights, _mm256_loadu_ps(sum->lane + at));
        _mm256_storeu_ps(sum->lane + at, product);
    }
#else
    for (int lane = 0; lane < SIDE; lane++) sum->lane[lane] = fused(in->lane[lane], weight, sum->lane[lane]);
#endif
}

/* Matrices are `[in, out]`. */
typedef struct {
    const float *mean;    /* [inputs] */
    const float *spread;  /* [inputs] */
    const float *first;   /* [inputs, units] */
    const float *first_bias;
    const float *second;  /* [units, later_units] */
    const float *second_bias;
    const float *last;    /* [later_units] */
    const float *base;    /* [inputs] */
    int64_t inputs;
    int64_t units;
    int64_t later_units;
    float low;
    float high;
    float last_bias;
} Network;

/* Sums of products with the weights of `UNITS` units, or of one. */
static inline void sums(const Side *in, int64_t inputs, const float *weights, int64_t step, int count, Side *out) {
    Side sum[UNITS] = {{{0}}};
    for (int64_t k = 0; k < inputs; k++)
        for (int unit = 0; unit < count; unit++) add_product(sum + unit, in + k, weights[k * step + unit]);
    for (int unit = 0; unit < count; unit++) out[unit] = sum[unit];
}

/* A layer: what is below 0 becomes 0. */
static void layer(const Side *in, int64_t inputs, const float *weights, const float *bias, int64_t units, Side *out) {
    int64_t unit = 0;
    for (; unit + UNITS <= units; unit += UNITS) sums(in, inputs, weights + unit, units, UNITS, out + unit);
    for (; unit < units; unit++) sums(in, inputs, weights + unit, units, 1, out + unit);
    for (unit = 0; unit < units; unit++) {
        for (int lane = 0; lane < SIDE; lane++) {
            float sum = out[unit].lane[lane] + bias[unit];
            out[unit].lane[lane] = sum > 0.0f ? sum : 0.0f;
        }
    }
}

/* The scores `[n]` of candidates by their features `[n, inputs]`.
 *
 * scratch: `[SIDE, inputs + units + later_units]`. */
EXPORT void order_scores(const Network *network, const float *features, int64_t n, float *scores, float *scratch) {
    int64_t inputs = network->inputs;
    Side *in = (Side *)(void *)scratch, *inner = in + inputs, *later = inner + network->units;
    for (int64_t start = 0; start < n; start += SIDE) {
        int64_t count = n - start < SIDE ? n - start : SIDE;
        for (int64_t k = 0; k < inputs; k++) {
            float *each = in[k].lane, mean = network->mean[k], spread = network->spread[k];
            for (int64_t lane = 0; lane < count; lane++) each[lane] = features[(start + lane) * inputs + k];
            for (int64_t lane = count; lane < SIDE; lane++) each[lane] = 0.0f;
            for (int lane = 0; lane < SIDE; lane++) {
                float value = (each[lane] - mean) / spread;
                value = value < network->low ? network->low : value;
                each[lane] = value > network->high ? network->high : value;
            }
        }
        layer(in, inputs, network->first, network->first_bias, network->units, inner);
        layer(inner, network->units, network->second, network->second_bias, network->later_units, later);
        Side last, base;
        sums(later, network->later_units, network->last, 1, 1, &last);
        sums(in, inputs, network->base, 1, 1, &base);
        for (int64_t lane = 0; lane < count; lane++)
            scores[start + lane] = base.lane[lane] + (last.lane[lane] + network->last_bias);
    }
}
