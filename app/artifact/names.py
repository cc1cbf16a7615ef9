"""Names and codes that both sides write once and import: files, tensors."""

from typing import Final

SCHEMA_VERSION: Final = 6
READABLE_SCHEMAS: Final = (5, SCHEMA_VERSION)  # ascending

PADDING_ROW: Final = 0  # item row 0 is no item: it pads event windows and exclude lists

# Files of a bundle, relative to its folder.
MANIFEST: Final = "manifest.json"
RETRIEVE_GRAPH: Final = "retrieve.onnx"
HALF_GRAPH: Final = "retrieve.fp16.onnx"  # the same for a GPU, the item matrix an input
RANK_GRAPH: Final = "rank.onnx"
PLACE_GRAPH: Final = "place.onnx"  # from an item's text and attributes to its place, one item at a time
RANKER: Final = "ranker.json"  # what the ranker reads, predicts and is calibrated by
ITEM_VECTORS: Final = "items/vectors.npy"  # int8 [rows, dim]
ITEM_SCALES: Final = "items/scales.npy"  # float32 [rows]
ITEM_SCORE_SCALES: Final = "items/score_scales.npy"  # float32 [rows], of a score: the vector's scale times its length
ITEM_CONTENT: Final = "items/content.npy"  # int8 [rows, content dim], placed by text and attributes alone
ITEM_CONTENT_SCALES: Final = "items/content_scales.npy"  # float32 [rows]
ITEM_NEIGHBOURS: Final = "items/neighbours.npy"  # int32 [rows, neighbours] items that occur together, 0 pads
ITEM_NEIGHBOUR_WEIGHTS: Final = "items/neighbour_weights.npy"  # float16 [rows, neighbours], descending
ITEM_COUNTS: Final = "items/counts.npy"  # float32 [rows, 3] users who viewed, carted, purchased
ITEM_CODES: Final = "items/codes.npy"  # int32 [rows, 2] category and brand, 0 for missing
ITEM_LOG_PRICE: Final = "items/log_price.npy"  # float32 [rows], NaN for missing
ITEM_POPULARITY: Final = "items/popularity.npy"  # float32 [rows]
ITEM_ABSENT: Final = "items/absent.npy"  # int32 [absent] rows, ascending; there where the catalogue lacks some items
ITEM_IDS: Final = "items/ids"  # a text column
CATALOGUE: Final = "catalogue"  # folder of columns
DISPLAY: Final = "display"  # folder of columns that are answered as they are
VARIANTS: Final = "variants"  # folder of ids that mean an item besides its own
TEXT_VECTORS: Final = "text/vectors.npy"  # int8 [buckets, dim], absent where no item has text
TEXT_SCALES: Final = "text/scales.npy"  # float32 [buckets]
TEXT_IDF: Final = "text/idf.npy"  # float32 [buckets], 0 for buckets that no item has
ENCODER_GRAPH: Final = "text/encoder.onnx"  # from the tokens of a text to its vector, one text at a time
ENCODER_TOKENIZER: Final = "text/tokenizer.json"  # as the library `tokenizers` writes it
ENCODER: Final = "text/encoder.json"  # how texts are given to the encoder, and where it comes from
MEANING_VECTORS: Final = "text/item_vectors.npy"  # int8 [rows, width], by the encoder, or by what taught it
MEANING_SCALES: Final = "text/item_scales.npy"  # float32 [rows]
KIND_VECTORS: Final = "text/kind_vectors.npy"  # float32 [kinds, width] of length 1
ITEM_KINDS: Final = "text/item_kinds.npy"  # int32 [rows], -1 for an item of no kind
KIND_SIZES: Final = "text/kind_sizes.npy"  # int32 [kinds] items
KIND_NAMES: Final = "text/kind_names"  # a text column
PLACE_MEANING: Final = "place_meaning.npy"  # float32 [encoder width, dim], from what a text means to its place
PLACE: Final = "place"  # folder of the tables that `place.onnx` is fed from
FILTERS: Final = "filters"  # folder of the columns that filters, facets and orders read
CHOSEN: Final = "chosen"  # folder of what was chosen after queries
LEXICAL: Final = "lexical"  # folder of the lexical index, absent where no item has a word
LEXICAL_FIELDS: Final = ("main", "title", "attributes")  # folders in it
LEXICAL_LENGTHS: Final = "lengths.json"  # in it: how long the fields are; absent in bundles of before
LEXICAL_TITLES: Final = "titles"  # folder in it: titles as sequences of terms
LEXICAL_BRANDS: Final = "brands"  # a text column in it: the brand of every code
CODES: Final = "codes"  # folder of ids and other codes by which items are found
SEARCH: Final = "search.json"  # how the results of a search are ordered
SUGGEST: Final = "suggest"  # folder of what a search box completes to, absent where there is nothing
VOCABULARY: Final = "vocabulary"  # folder of the words that a query may have, perhaps none
SYNONYMS: Final = "synonyms.json"  # what words of a query may stand for, and which say nothing; perhaps none
USER_HASHES: Final = "users/hashes.npy"  # uint64 [users], ascending
USER_LONG_VECTORS: Final = "users/long_vectors.npy"  # int8 [users, dim], seven bits of it used
USER_LONG_SCALES: Final = "users/long_scales.npy"  # float32 [users]
USER_LONG_WEIGHTS: Final = "users/long_weights.npy"  # float32 [users]
USER_EVENT_OFFSETS: Final = "users/event_offsets.npy"  # int64 [users + 1]
USER_EVENT_ROWS: Final = "users/event_rows.npy"  # int32 [events], oldest first within a user
USER_EVENT_TYPES: Final = "users/event_types.npy"  # uint8 [events]
USER_EVENT_TIMES: Final = "users/event_times.npy"  # float64 [events], unix seconds or NaN
USER_SEEN_OFFSETS: Final = "users/seen_offsets.npy"  # int64 [users + 1]
USER_SEEN_ROWS: Final = "users/seen_rows.npy"  # int32 [seen], each item once a user, of the whole history
USER_SEEN_PURCHASED: Final = "users/seen_purchased.npy"  # bool [seen], whether the user purchased it
WARMUP: Final = "warmup"  # folder of request arrays
GOLDEN_ROWS: Final = "golden/rows.npy"  # int32 [requests, 10] by retrieval alone; in schema 5 by the ranker, if any
GOLDEN_SCORES: Final = "golden/scores.npy"  # float32 [requests, 10]
GOLDEN_RANKED_ROWS: Final = "golden/ranked_rows.npy"  # int32 [requests, 10] by the ranker
GOLDEN_RANKED_SCORES: Final = "golden/ranked_scores.npy"  # float32 [requests, 10]
GOLDEN_TEXTS: Final = "golden/texts"  # a text column
GOLDEN_TEXT_VECTORS: Final = "golden/text_vectors.npy"  # float32 [texts, dim]
GOLDEN_ENCODER_TEXTS: Final = "golden/encoder_texts"  # a text column
GOLDEN_ENCODER_VECTORS: Final = "golden/encoder_vectors.npy"  # float32 [texts, width]

# Tensors of retrieve.onnx.
IN_EVENT_VECTORS: Final = "event_vectors"  # float32 [batch, window, dim]
IN_EVENT_TYPES: Final = "event_types"  # int64 [batch, window]
IN_AGE_BUCKETS: Final = "age_buckets"  # int64 [batch, window]
IN_LONG_VECTOR: Final = "long_vector"  # float32 [batch, dim]
IN_LONG_WEIGHT: Final = "long_weight"  # float32 [batch, 1]
IN_GIVEN_QUERY: Final = "given_query"  # float32 [batch, dim]
IN_GIVEN: Final = "given"  # bool [batch, 1]
IN_ITEM_MASK: Final = "item_mask"  # bool [1 or batch, rows]
IN_EXCLUDE_ROWS: Final = "exclude_rows"  # int64 [batch, excluded]
IN_TOP_K: Final = "top_k"  # int64 [1]
OUT_SCORES: Final = "scores"  # float32 [batch, top_k]
OUT_ROWS: Final = "rows"  # int64 [batch, top_k]
OUT_QUERY: Final = "query_vector"  # float32 [batch, dim]
# Of it where it is cut short, see `app.engine.graph_cut`; inside it, where its search is that of int8.
OUT_PRODUCTS: Final = "products"  # int32 [batch, rows] of the query in whole numbers with all items
OUT_QUERY_UNIT: Final = "query_scale"  # float32 [batch, 1] of those numbers

# Further tensors of retrieve.fp16.onnx, whose outputs are those of retrieve.onnx.
IN_ITEM_MATRIX: Final = "item_matrix"  # float16 [rows, dim], see `quantise.half_matrix`
IN_MATRIX_UNIT: Final = "matrix_unit"  # float32 [1]
IN_NEVER: Final = "never"  # float16 [batch, excluded], -inf
IN_WIDE_K: Final = "wide_k"  # int64 [1] how many are scored again in full precision
IN_BLOCK_COUNT: Final = "block_count"  # int64 [1] how many blocks are kept; only where the search goes by blocks
HALF_BLOCKS: Final = "blocks"  # in the metadata of the graph: how many blocks there are

# Tensors of rank.onnx.
IN_FEATURES: Final = "features"  # float32 [candidates, features]
OUT_ORDER: Final = "order"  # float32 [candidates], higher is better within one request
OUT_CHAIN: Final = "chain"  # float32 [candidates, behaviours] log-odds, each given the behaviour before it

# Tensors of place.onnx.
IN_CONTENT: Final = "content"  # float32 [1, network's dim], what text and attributes sum to
OUT_UNIT: Final = "unit"  # float32 [1, dim] of length 1
OUT_LENGTH: Final = "length"  # float32 [1]
OUT_CONTENT: Final = "content_unit"  # float32 [1, content dim] of length 1, or zeros

# Tensors of text/encoder.onnx.
IN_TOKENS: Final = "input_ids"  # int64 [1, tokens]
OUT_TEXT_VECTOR: Final = "vector"  # float32 [1, width] of length 1
