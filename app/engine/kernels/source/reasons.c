/* The weights of reasons in whole units, the heaviest first. */
#include "kernels.h"

/* The nearest whole number, halves to the even one, of less than 2^51. */
static double nearest(double value) {
    double shifted = value + 6755399441055744.0;
    return shifted - 6755399441055744.0;
}

/* Orders the parts of each of `n` items by the size of their weights, the earlier part first of equal ones.
 *
 * weights: `[parts, n]`, in units of the last digit that is shown, not rounded yet.
 * kept: `[parts, n]`, whether a part is told whatever its weight; NULL for none.
 * places, units: `[n, parts]`, the parts that are told and their rounded weights; counts: `[n]`, how many.
 * totals: `[n]`, the sums of the rounded weights. */
EXPORT void ordered_weights(
    const double *weights, const uint8_t *kept, int64_t parts, int64_t n, int64_t *places, double *units, int64_t *counts,
    double *totals) {
    for (int64_t item = 0; item < n; item++) {
        int64_t *place = places + item * parts, count = 0;
        double *unit = units + item * parts, total = 0.0;
        for (int64_t part = 0; part < parts; part++) {
            double whole = nearest(weights[part * n + item]);
            total += whole;
            if (whole == 0.0 && !(kept && kept[part * n + item])) continue;
            int64_t at = count++;
            for (; at > 0 && __builtin_fabs(unit[at - 1]) < __builtin_fabs(whole); at--) {
                unit[at] = unit[at - 1];
                place[at] = place[at - 1];
            }
            unit[at] = whole;
            place[at] = part;
        }
        counts[item] = count;
        totals[item] = total;
    }
}
