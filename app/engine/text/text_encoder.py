"""The text encoder of a bundle: from a text to the vector of its meaning, by ONNX Runtime.

One text at a time, without padding: its vector is the same alone, in any batch, and from the cache.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.array_checks import check_array, check_numbers, check_texts, require
from app.artifact.arrays import load_array
from app.artifact.columns import TextColumn
from app.artifact.text.meaning_arrays import LENGTH_ERROR, EncoderSpec, read_encoder_spec
from app.engine.runtime import open_session
from app.engine.text.vector_cache import VectorCache
from app.errors import BundleCorrupt, GoldenMismatch

TOKENIZERS_MISSING: Final = "the package tokenizers is not installed: `pip install 'aisle[encoder]'`"
MIN_GOLDEN_COSINE: Final = 0.99
"""Between a golden vector and that of this machine: other processors round whole-number graphs otherwise."""
_KEPT_BYTES: Final = 16 * 2**20  # of queries and their vectors, some 20,000
_KEPT_OF_DOCUMENTS: Final = 4 * 2**20
_PANIC: Final = "PanicException"  # of what is written in Rust; no exception by Python's order, which would end a thread
_IDS: Final = "tensor(int64)"
_NUMBERS: Final = "tensor(float)"


class TextEncoder:
    """The encoder, for any number of threads.

    Args:
        spec: of the encoder.
        session: of one thread, so that sums have one order.
        tokenizer: which cuts texts off as the spec says, and does not pad.
    """

    def __init__(self, spec: EncoderSpec, session: Any, tokenizer: Any) -> None:
        self.spec: Final = spec
        self._session: Final = session
        self._tokenizer: Final = tokenizer
        self._cache: Final = VectorCache(_KEPT_BYTES)
        self._of_documents: Final = VectorCache(_KEPT_OF_DOCUMENTS)

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        return self.spec.width

    def vectors_of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The vectors `[n, width]` of queries, of length 1; zeros for one that says nothing."""
        vectors = np.zeros((len(texts), self.width), dtype=np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            vector[:] = self._kept(text)
        return vectors

    def document_vector(self, text: str) -> NDArray[np.float32]:
        """The vector `[width]` of an item's text, of length 1; zeros for one that says nothing.

        Those of the newest texts are kept: an item is read for its meaning and for its place.
        """
        vector = self._of_documents.get(text)
        if vector is None:
            vector = self._vector_of(text, self.spec.document_prefix)
            self._of_documents.put(text, vector)
        return vector

    @property
    def highest_token(self) -> int:
        """The highest number of a token."""
        return max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=0)

    def tokens_of(self, text: str) -> list[int]:
        """The numbers of a text's tokens, as it is, as many as the spec lets through.

        Raises:
            ValueError: the tokenizer fails on it.
        """
        try:
            ids: list[int] = self._tokenizer.encode(text).ids
        except BaseException as error:
            if type(error).__name__ != _PANIC:
                raise
            raise ValueError(f"the tokenizer fails: {error}") from error
        return ids

    def knows(self, word: str) -> bool:
        """Whether a word is one token to its tokenizer, and no row of pieces."""
        try:
            return len(self.tokens_of(word)) <= len(self.tokens_of("")) + 1
        except ValueError:
            return False

    def _kept(self, text: str) -> NDArray[np.float32]:
        vector = self._cache.get(text)
        if vector is None:
            vector = self._vector_of(text, self.spec.query_prefix)
            self._cache.put(text, vector)
        return vector

    def _vector_of(self, text: str, prefix: str) -> NDArray[np.float32]:
        nothing = np.zeros(self.width, dtype=np.float32)
        if not text.strip():
            return nothing
        ids = self.tokens_of(prefix + text)
        if not ids:
            return nothing
        vector = self.run(ids)
        return vector if np.isfinite(vector).all() else nothing

    def run(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """What the graph makes of tokens, `[width]`."""
        outputs = self._session.run((names.OUT_TEXT_VECTOR,), {names.IN_TOKENS: np.array([ids], dtype=np.int64)})
        vector: NDArray[np.float32] = outputs[0][0]
        return vector


def tokenizers_installed() -> bool:
    """Whether the library that reads tokenizers can be imported."""
    try:
        import tokenizers  # noqa: F401, PLC0415 - bundles without the part need none
    except ImportError:
        return False
    return True


def read_text_encoder(folder: Path) -> TextEncoder:
    """The encoder of the bundle in `folder`, which has the part; the library `tokenizers` is installed.

    Raises:
        BundleCorrupt: its graph or tokenizer is none, or they do not fit each other.
        OSError: a file of it is missing.
    """
    spec = read_encoder_spec(folder)
    encoder = open_text_encoder(spec, folder / names.ENCODER_GRAPH, folder / names.ENCODER_TOKENIZER)
    _check_together(folder, encoder)
    return encoder


def open_text_encoder(spec: EncoderSpec, graph: Path, tokenizer: Path) -> TextEncoder:
    """The encoder of a graph and its tokenizer, wherever they lie.

    Raises:
        BundleCorrupt: one of them is none, or the graph is of another width.
        OSError: one of them is missing.
    """
    session = open_session(graph, 1)
    _check_graph(graph, session, spec.width)
    return TextEncoder(spec, session, _read_tokenizer(tokenizer, spec.max_tokens))


def write_golden_encoder_texts(folder: Path, texts: Sequence[str], encoder: TextEncoder) -> None:
    """Write the vectors of some queries, so that a service that reads them otherwise is detected."""
    (folder / names.GOLDEN_ENCODER_TEXTS).parent.mkdir(parents=True, exist_ok=True)
    TextColumn.of(texts).write(folder / names.GOLDEN_ENCODER_TEXTS)
    np.save(folder / names.GOLDEN_ENCODER_VECTORS, encoder.vectors_of(texts))


def check_golden_encoder_texts(folder: Path, encoder: TextEncoder) -> None:
    """Compare the vectors of the golden queries with those in the bundle.

    Raises:
        BundleCorrupt: the golden queries cannot be read.
        GoldenMismatch: a vector is another one.
    """
    path = folder / names.GOLDEN_ENCODER_TEXTS
    try:
        texts = TextColumn.read(path)
        expected = load_array(folder / names.GOLDEN_ENCODER_VECTORS)
    except (OSError, ValueError) as error:
        raise BundleCorrupt(f"{folder}: golden texts cannot be read ({error}): export the bundle again") from error
    check_texts(path, texts)
    check_array(folder / names.GOLDEN_ENCODER_VECTORS, expected, np.float32, len(texts), encoder.width)
    check_numbers(folder / names.GOLDEN_ENCODER_VECTORS, expected, negative=True)
    vectors = encoder.vectors_of(texts.all())
    likeness = (vectors * expected).sum(axis=1)
    likeness[~vectors.any(axis=1) & ~expected.any(axis=1)] = 1.0  # a text that says nothing, here and there
    least = float(likeness.min(initial=1.0))
    if not least >= MIN_GOLDEN_COSINE:
        raise GoldenMismatch(
            f"{path}: expected the vectors of the golden texts (cosines of at least {MIN_GOLDEN_COSINE}), got "
            f"{least:.3f}: this service reads texts otherwise than the job: export the bundle again"
        )


def _check_graph(path: Path, session: Any, width: int) -> None:
    inputs, outputs = (_tensors(of) for of in (session.get_inputs(), session.get_outputs()))
    (tokens, rows), (vector, vectors) = _only(inputs), _only(outputs)
    fits = tokens == (names.IN_TOKENS, _IDS) and vector == (names.OUT_TEXT_VECTOR, _NUMBERS)
    fits = fits and _is_row(rows, None) and _is_row(vectors, width)
    if not fits:
        raise BundleCorrupt(
            f"{path}: expected {names.IN_TOKENS} int64 [1, tokens] and {names.OUT_TEXT_VECTOR} float32 [1, {width}], "
            f"got {inputs} and {outputs}: export the bundle again"
        )


def _tensors(tensors: Sequence[Any]) -> list[tuple[str, str, list[Any]]]:
    return [(tensor.name, tensor.type, list(tensor.shape)) for tensor in tensors]


def _only(tensors: list[tuple[str, str, list[Any]]]) -> tuple[tuple[str, str], list[Any]]:
    """Name and type, and shape, of the only one; of none where there are more or fewer."""
    if len(tensors) != 1:
        return ("", ""), []
    ((name, kind, shape),) = tensors
    return (name, kind), shape


def _is_row(shape: list[Any], width: int | None) -> bool:
    """Whether a shape may be `[1, width]`, of any width for None; lengths of other types are told by a run."""
    return (
        len(shape) == 2
        and (shape[0] == 1 or not isinstance(shape[0], int))
        and (not isinstance(shape[1], int) or shape[1] == width)
    )


def _read_tokenizer(path: Path, max_tokens: int) -> Any:
    from tokenizers import Tokenizer  # noqa: PLC0415 - bundles without the part need none

    content = path.read_bytes()
    try:
        tokenizer = Tokenizer.from_buffer(content)
        cutting = {"stride": 0, "strategy": "longest_first", "direction": "right"} | (tokenizer.truncation or {})
        tokenizer.enable_truncation(**cutting | {"max_length": max_tokens})
        tokenizer.no_padding()
    except Exception as error:  # the library's own
        reason = str(error).partition("\n")[0]
        raise BundleCorrupt(f"{path}: not a tokenizer ({reason}): export the bundle again") from error
    return tokenizer


def _check_together(folder: Path, encoder: TextEncoder) -> None:
    """See that any text can be encoded: one that is cut off, and one of the token with the highest number."""
    spec, tokenizer = encoder.spec, folder / names.ENCODER_TOKENIZER
    try:
        long = encoder.tokens_of(f"{spec.document_prefix}{spec.query_prefix}" + " a" * spec.max_tokens)
    except ValueError as error:
        raise BundleCorrupt(f"{tokenizer}: expected tokens of a text, got {error}: export the bundle again") from error
    require(0 < len(long) <= spec.max_tokens, tokenizer, f"1 to {spec.max_tokens} tokens of a long text", len(long))
    for ids in (long, [encoder.highest_token]):
        try:
            vector = encoder.run(ids)
        except Exception as error:  # the runtime has types of its own for what a graph stumbles over
            raise BundleCorrupt(
                f"{folder / names.ENCODER_GRAPH}: expected a vector of {len(ids)} tokens up to number {max(ids)}, got "
                f"{str(error).partition(chr(10))[0]}: export the bundle again"
            ) from error
        check_array(folder / names.ENCODER_GRAPH, vector, np.float32, spec.width)
        length = float(np.linalg.norm(vector.astype(np.float64)))
        require(
            abs(length - 1) <= LENGTH_ERROR, folder / names.ENCODER_GRAPH, "vectors of length 1", f"one of {length:.4f}"
        )
