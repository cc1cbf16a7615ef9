/* Lists whose items differ: greedy choices by relevance and nearness, for several shares of diversity side by side. */
#include "kernels.h"

#define LANES 8
#define DISTANCE_UNIT 1e9 /* further decimals of a distance do not count */

static inline double inverse_length(const int8_t *code, int64_t dim) {
    int64_t sum = 0;
    for (int64_t d = 0; d < dim; d++) sum += (int32_t)code[d] * (int32_t)code[d];
    return sum ? 1.0 / __builtin_sqrt((double)sum) : 0.0;
}

static inline int64_t product(const int8_t *one, const int8_t *other, int64_t dim) {
    int32_t sum = 0;
    for (int64_t d = 0; d < dim; d++) sum += (int16_t)one[d] * (int16_t)other[d];
    return sum;
}

/* The first position with the largest of worth less share times nearest. */
static int64_t best_of(const double *worth, const double *nearest, double share, int64_t n, double *values) {
    double largest[LANES];
    int64_t i = 0;
    for (int lane = 0; lane < LANES; lane++) largest[lane] = -__builtin_inf();
    for (; i + LANES <= n; i += LANES) {
        for (int lane = 0; lane < LANES; lane++) {
            double value = worth[i + lane] - share * nearest[i + lane];
            values[i + lane] = value;
            largest[lane] = value > largest[lane] ? value : largest[lane];
        }
    }
    for (; i < n; i++) {
        values[i] = worth[i] - share * nearest[i];
        largest[0] = values[i] > largest[0] ? values[i] : largest[0];
    }
    double best = largest[0];
    for (int lane = 1; lane < LANES; lane++) best = largest[lane] > best ? largest[lane] : best;
    for (i = 0; i < n; i++) {
        if (values[i] == best) return i;
    }
    return 0;
}

static void choose(int64_t best, double *worth, double *nearest, const double *cosines, int64_t n) {
    const double *row = cosines + best * n;
    worth[best] = -__builtin_inf();
    for (int64_t i = 0; i < n; i++) nearest[i] = row[i] > nearest[i] ? row[i] : nearest[i];
}

/* Writes the positions of `n` items in their new order.
 *
 * codes: `[n, dim]` the directions of the items.
 * relevance: `[n]`.
 * shares: `[lists]` of diversity; the list whose first `answered` items lie furthest apart is continued.
 * scratch: `[n * n + 2 * n + 2 * lists * n + lists * answered]` of eight bytes. */
EXPORT void diverse_order(
    int64_t n, int64_t dim, const int8_t *codes, const double *relevance, int64_t lists, const double *shares,
    int64_t answered, int64_t *order, double *scratch) {
    double *cosines = scratch, *inverses = cosines + n * n, *values = inverses + n;
    double *worth = values + n, *nearest = worth + lists * n;
    int64_t *heads = (int64_t *)(void *)(nearest + lists * n);
    for (int64_t i = 0; i < n; i++) {
        inverses[i] = inverse_length(codes + i * dim, dim);
        for (int64_t j = 0; j <= i; j++) {
            double cosine = (double)product(codes + i * dim, codes + j * dim, dim) * (inverses[i] * inverses[j]);
            cosines[i * n + j] = cosines[j * n + i] = cosine;
        }
    }
    int64_t furthest = -1, best_list = 0;
    for (int64_t list = 0; list < lists; list++) {
        double *of_list = worth + list * n, *near = nearest + list * n, together = 0.0;
        int64_t *head = heads + list * answered;
        for (int64_t i = 0; i < n; i++) {
            of_list[i] = (1.0 - shares[list]) * relevance[i];
            near[i] = -1.0;
        }
        for (int64_t place = 0; place < answered; place++) {
            int64_t best = best_of(of_list, near, shares[list], n, values);
            double sum = 0.0;
            for (int64_t before = 0; before < place; before++) sum += cosines[head[before] * n + best];
            together += sum;
            head[place] = best;
            choose(best, of_list, near, cosines, n);
        }
        double distance = 1.0 - together / ((double)(answered * (answered - 1)) / 2.0);
        int64_t rounded = (int64_t)(distance * DISTANCE_UNIT + 0.5);
        if (rounded > furthest) {
            furthest = rounded;
            best_list = list;
        }
    }
    double *of_list = worth + best_list * n, *near = nearest + best_list * n;
    for (int64_t place = 0; place < n; place++) {
        if (place < answered) {
            order[place] = heads[best_list * answered + place];
        } else {
            order[place] = best_of(of_list, near, shares[best_list], n, values);
            choose(order[place], of_list, near, cosines, n);
        }
    }
}
