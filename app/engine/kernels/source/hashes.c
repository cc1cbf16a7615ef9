/* Hashes of texts: BLAKE2b of 8 bytes, as RFC 7693 has it, without a key. */
#include "kernels.h"

#define BLOCK 128
#define DIGEST 8

static const uint64_t BEGIN[8] = {
    0x6a09e667f3bcc908u, 0xbb67ae8584caa73bu, 0x3c6ef372fe94f82bu, 0xa54ff53a5f1d36f1u,
    0x510e527fade682d1u, 0x9b05688c2b3e6c1fu, 0x1f83d9abfb41bd6bu, 0x5be0cd19137e2179u,
};
static const uint8_t ORDER[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static inline uint64_t turned(uint64_t word, int bits) { return word >> bits | word << (64 - bits); }

/* Mix four places of the state with the words `first` and `first + 1` of a round's order. */
#define MIX(round, first, a, b, c, d)                       \
    state[a] += state[b] + words[ORDER[round][first]];      \
    state[d] = turned(state[d] ^ state[a], 32);             \
    state[c] += state[d];                                   \
    state[b] = turned(state[b] ^ state[c], 24);             \
    state[a] += state[b] + words[ORDER[round][(first) + 1]]; \
    state[d] = turned(state[d] ^ state[a], 16);             \
    state[c] += state[d];                                   \
    state[b] = turned(state[b] ^ state[c], 63);

#define ROUND(round)                                                  \
    MIX(round, 0, 0, 4, 8, 12) MIX(round, 2, 1, 5, 9, 13)             \
    MIX(round, 4, 2, 6, 10, 14) MIX(round, 6, 3, 7, 11, 15)           \
    MIX(round, 8, 0, 5, 10, 15) MIX(round, 10, 1, 6, 11, 12)          \
    MIX(round, 12, 2, 7, 8, 13) MIX(round, 14, 3, 4, 9, 14)

/* Take a block into the hash; `read` bytes have been read with it. */
static void take_block(uint64_t *hash, const uint8_t *block, uint64_t read, int is_last) {
    uint64_t words[16], state[16];
    for (int place = 0; place < 16; place++) {
        uint64_t word = 0;
        for (int byte = 7; byte >= 0; byte--) word = word << 8 | block[8 * place + byte];
        words[place] = word;
    }
    for (int place = 0; place < 8; place++) state[place] = hash[place], state[place + 8] = BEGIN[place];
    state[12] ^= read;
    if (is_last) state[14] = ~state[14];
    ROUND(0) ROUND(1) ROUND(2) ROUND(3) ROUND(4) ROUND(5) ROUND(6) ROUND(7) ROUND(8) ROUND(9) ROUND(0) ROUND(1)
    for (int place = 0; place < 8; place++) hash[place] ^= state[place] ^ state[place + 8];
}

static uint64_t hash_of(const uint8_t *text, int64_t length) {
    uint64_t hash[8];
    uint8_t block[BLOCK];
    for (int place = 0; place < 8; place++) hash[place] = BEGIN[place];
    hash[0] ^= 0x01010000u ^ DIGEST;
    int64_t start = 0;
    for (; length - start > BLOCK; start += BLOCK) take_block(hash, text + start, (uint64_t)(start + BLOCK), 0);
    for (int64_t byte = 0; byte < BLOCK; byte++) block[byte] = start + byte < length ? text[start + byte] : 0;
    take_block(hash, block, (uint64_t)length, 1);
    return hash[0];
}

/* The hash of every text. Returns 0 where a text is not inside `[0, size]`.
 *
 * values: `[size]` bytes; offsets: `[texts + 1]`. */
EXPORT int hash_texts(const uint8_t *values, int64_t size, const int64_t *offsets, int64_t texts, uint64_t *hashes) {
    for (int64_t text = 0; text < texts; text++) {
        int64_t start = offsets[text], end = offsets[text + 1];
        if (start < 0 || end < start || end > size) return 0;
        hashes[text] = hash_of(values + start, end - start);
    }
    return 1;
}
