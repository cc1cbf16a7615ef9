/* The events of a request without those on one item of it. */
#include "kernels.h"

/* Writes `[variants, window]` each: what remains of the events `[window]`, at the right end in its order, and padding.
 *
 * removed: `[variants]`, the item whose events are left out, 0 for none. */
EXPORT void leave_out(
    const int32_t *rows, const uint8_t *types, const double *times, const float *log_minutes, int64_t window,
    const int64_t *removed, int64_t variants, int32_t *to_rows, uint8_t *to_types, double *to_times, float *to_log_minutes) {
    for (int64_t variant = 0; variant < variants; variant++) {
        int64_t end = (variant + 1) * window, to = end;
        for (int64_t at = window - 1; at >= 0; at--) {
            if (rows[at] == PADDING_ROW || rows[at] == removed[variant]) continue;
            to--;
            to_rows[to] = rows[at];
            to_types[to] = types[at];
            to_times[to] = times[at];
            to_log_minutes[to] = log_minutes[at];
        }
        while (to > end - window) {
            to--;
            to_rows[to] = PADDING_ROW;
            to_types[to] = 0;
            to_times[to] = __builtin_nan("");
            to_log_minutes[to] = 0.0f;
        }
    }
}
