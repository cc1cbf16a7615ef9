"""A teacher at work: texts in, vectors of length 1 out."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from offline.errors import TeacherError
from offline.teacher.folder import Kind, Pooling, TeacherFolder, require_packages
from offline.teacher.int8 import has_int8, to_int8
from offline.teacher.side_by_side import side_by_side
from offline.workspace.progress import Progress, silent

_AT_ONCE: Final = 32_768  # texts whose tokens are held
_BATCH_TOKENS: Final = {"cpu": 4_096, "cuda": 32_768}
_NEEDLESS: Final = ("pooler.", "position_ids", "lm_head.", "cls.")  # parts of a network that no vector needs


class Teacher:
    """An encoder in memory.

    A text is cut after `max_tokens` and is computed beside texts of just as many tokens, without padding, so that its
    vector does not hang on its neighbours.

    Args:
        folder: of the encoder.
        device: where it computes: in half precision on CUDA, in eight bits on processors with VNNI, else in 32.
        exact: in 32 bits in any case.

    Raises:
        TeacherError: the packages or weights are missing, or cannot be read.
    """

    def __init__(self, folder: TeacherFolder, device: torch.device, *, exact: bool = False) -> None:
        require_packages()
        self.folder = folder
        self._device = device
        self._tokenizer = read_tokenizer(folder)
        self._network = _network(folder.model_path)
        self.bits = 32
        if device.type == "cuda":
            self._network.to(device)
            if not exact:
                self._network.half()
                self.bits = 16
        elif not exact and has_int8() and to_int8(self._network):
            self.bits = 8
        with torch.inference_mode():
            self.width = int(self._hidden([self.tokens(["a"], "document")[0]]).shape[-1])

    def encode(self, texts: Sequence[str], kind: Kind, progress: Progress = silent) -> NDArray[np.float32]:
        """Vectors `[texts, width]` of length 1.

        Args:
            texts: of any length; the start of each counts.
            kind: which prefix they are given.
            progress: called with the texts done.
        """
        vectors = np.zeros((len(texts), self.width), dtype=np.float32)
        done = 0
        for rows, batch in self.batches(texts, kind):
            vectors[rows] = batch
            done += len(rows)
            progress(done, len(texts), "texts embedded")
        return vectors

    def batches(self, texts: Sequence[str], kind: Kind) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Rows of `texts` and their vectors, batch by batch, each row once; in an order that mixes short and long."""
        for begin in range(0, len(texts), _AT_ONCE):
            tokens = self.tokens(texts[begin : begin + _AT_ONCE], kind)
            batches = list(_batches(np.array([len(ids) for ids in tokens]), _BATCH_TOKENS[self._device.type]))
            work = ([tokens[row] for row in rows] for rows in batches)
            for rows, vectors in zip(batches, self._all_vectors(work), strict=True):
                yield rows + begin, vectors

    def _all_vectors(self, work: Iterable[list[list[int]]]) -> Iterator[NDArray[np.float32]]:
        """The vectors of batches, in their order."""
        return map(self._vectors, work) if self._device.type == "cuda" else side_by_side(self._vectors, work)

    def weights(self) -> dict[str, Tensor]:
        """The network's weights by the names that transformers gives them, whole where it was made `exact`."""
        return dict(self._network.state_dict())

    def tokens(self, texts: Sequence[str], kind: Kind) -> list[list[int]]:
        """The numbers of each text's tokens, as its prefix and `max_tokens` make them."""
        prefix = self.folder.prefix(kind)
        whole = [prefix + (text.lower() if self.folder.lower_case else text) for text in texts]
        return [encoding.ids for encoding in self._tokenizer.encode_batch(whole)]

    def _vectors(self, tokens: list[list[int]]) -> NDArray[np.float32]:
        with torch.inference_mode():
            pooled = _pooled(self._hidden(tokens).float(), self.folder.pooling)
            vectors: NDArray[np.float32] = nn.functional.normalize(pooled, dim=1).cpu().numpy()
        return vectors

    def _hidden(self, tokens: list[list[int]]) -> Tensor:
        """The last states `[texts, tokens, width]` of texts of equally many tokens."""
        ids = torch.tensor(tokens, device=self._device)
        hidden: Tensor = self._network(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        return hidden


def _batches(lengths: NDArray[np.int64], most_tokens: int) -> Iterator[NDArray[np.int64]]:
    """Rows of one length each, with at most so many tokens together; the batches in a fixed mixed order."""
    order = np.argsort(lengths, kind="stable")
    batches = []
    for same in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        size = max(1, most_tokens // max(int(lengths[same[0]]), 1)) if len(same) else 1
        batches += [same[begin : begin + size] for begin in range(0, len(same), size)]
    for number in np.random.default_rng(0).permutation(len(batches)):
        yield batches[number]


def _pooled(hidden: Tensor, pooling: Pooling) -> Tensor:
    """One vector a text, of states `[texts, tokens, width]` without padding."""
    match pooling:
        case "mean":
            return hidden.mean(1)
        case "cls":
            return hidden[:, 0]
        case "last":
            return hidden[:, -1]
        case "max":
            return hidden.amax(1)


def read_tokenizer(folder: TeacherFolder) -> Any:
    """The tokenizer of a teacher, without padding, which cuts after `max_tokens`.

    Raises:
        TeacherError: it cannot be read.
    """
    from tokenizers import Tokenizer  # noqa: PLC0415 - of the extra `teacher`

    path = folder.model_path / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the package raises no narrower one
        raise TeacherError(
            f"{path}: expected a tokenizer, got what cannot be read ({_line(error)}): fetch the file again"
        ) from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(folder.max_tokens)
    return tokenizer


def _network(path: Path) -> nn.Module:
    """The network with the weights of the folder, for answers alone.

    Raises:
        TeacherError: it cannot be read, or weights are missing.
    """
    from transformers import AutoModel  # noqa: PLC0415 - it takes seconds
    from transformers.utils import logging  # noqa: PLC0415

    for silence in (logging.set_verbosity_error, logging.disable_progress_bar):
        silence()  # type: ignore[no-untyped-call]
    try:
        network, report = AutoModel.from_pretrained(
            path, local_files_only=True, trust_remote_code=False, dtype=torch.float32, output_loading_info=True
        )
    except Exception as error:  # whatever the package makes of a damaged file
        raise TeacherError(
            f"{path}: expected an encoder that transformers reads, got {_line(error)}: fetch the folder "
            "again, or choose another encoder"
        ) from error
    missing = sorted(name for name in report["missing_keys"] if not any(part in name for part in _NEEDLESS))
    if missing:
        raise TeacherError(
            f"{path}: expected weights for the whole network, got none for {len(missing)} of its parts, "
            f"such as {missing[0]}: fetch the folder again"
        )
    frozen: nn.Module = network.eval().requires_grad_(False)
    return frozen


def _line(error: Exception) -> str:
    """The first line of an error, or its name."""
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__
