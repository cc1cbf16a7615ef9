/* What is known of items by row. */
#ifndef AISLE_TABLES_H
#define AISLE_TABLES_H

#include <stdint.h>

#define BEHAVIOURS 3
#define LOGS 4         /* logarithms of an item: popularity, views, carts, purchases */
#define POPULARITIES 6 /* features of popularity: those, carts and purchases a view */
#define LINE 64        /* bytes that the memory gives at once */
#define AHEAD 8        /* candidates that are asked for before they are read */

/* Columns by item row, as `RankTables` has them. */
typedef struct {
    const int8_t *vectors;
    const float *scales;
    const float *score_scales;
    const int8_t *content;
    const float *content_scales;
    const int32_t *neighbours;
    const uint16_t *neighbour_weights; /* half precision */
    const float *counts;               /* [rows, 3], medians for items that nobody has seen */
    const int32_t *codes;              /* [rows, 2] */
    const float *log_price;
    const float *logs;                 /* [rows, LOGS] of those that are known */
    const uint8_t *has_logs;           /* [rows] */
    int64_t rows;
    int64_t dim;
    int64_t content_dim;
    int64_t neighbours_each;
} Tables;

/* Writes the features of an item's popularity. */
static inline void put_popularity(const Tables *tables, int64_t row, float *values) {
    const float *counts = tables->counts + row * BEHAVIOURS, *logs = tables->logs + row * LOGS;
    for (int place = 0; place < LOGS; place++) values[place] = logs[place];
    float carts = (counts[1] + 0.1f) / (counts[0] + 5.0f), purchases = (counts[2] + 0.05f) / (counts[0] + 5.0f);
    values[LOGS] = carts < 1.0f ? carts : 1.0f;
    values[LOGS + 1] = purchases < 1.0f ? purchases : 1.0f;
}

#endif
