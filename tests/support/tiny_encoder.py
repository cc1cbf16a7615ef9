"""A text encoder that is a table: the mean of its tokens' vectors, as an ONNX graph, in a copy of a bundle."""

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from app.artifact import names
from app.artifact.bundle_store import resolve
from app.artifact.item_content import document_text
from app.artifact.manifest import list_files, read_manifest
from app.artifact.parts import numbers_of
from app.artifact.place_tables import read_place_tables
from app.artifact.text.meaning_arrays import EncoderSpec
from app.engine.loading import open_snapshot
from app.engine.selection.documents import document_of
from app.engine.text.text_encoder import TextEncoder, read_text_encoder
from offline.export.text_encoder import EncoderFiles, ItemMeaning, write_text_encoder

WIDTH = 24
WORDS = 300
SPEC = EncoderSpec(
    max_tokens=40, query_prefix="query: ", document_prefix="passage: ", width=WIDTH, layers=0, teacher="a table"
)
GOLDEN = ["saucepan", "warm lamp of wood", "", "zzqx", 'ёлка 17" 漢字']


def write_tokenizer(path: Path, texts: Sequence[str]) -> int:
    """Write a tokenizer of the frequent words of some texts; returns how many tokens it has.

    The vocabulary is made here: that of the library's trainer is another one now and then for the same texts.
    """
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    normalizer, splitter = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    counts = Counter(word for text in texts for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    letters = sorted(set().union(*counts))
    frequent = sorted(counts, key=lambda word: (-counts[word], word))[:WORDS]
    tokens = dict.fromkeys([*special, *letters, *(f"##{letter}" for letter in letters), *frequent])
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.enable_padding(length=7)  # which the service takes back
    tokenizer.save(str(path))
    return int(tokenizer.get_vocab_size())


def write_graph(path: Path, tokens: int, width: int = WIDTH, input_name: str = names.IN_TOKENS) -> None:
    """Write a graph of a made-up table: the mean of the tokens' vectors, of length 1."""
    table = np.random.default_rng(5).normal(size=(tokens, width)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", input_name], ["vectors"]),
        helper.make_node("ReduceMean", ["vectors", "along"], ["mean"], keepdims=0),
        helper.make_node("ReduceL2", ["mean", "along"], ["length"], keepdims=1),
        helper.make_node("Div", ["mean", "length"], [names.OUT_TEXT_VECTOR]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(input_name, TensorProto.INT64, [1, "tokens"])],
        [helper.make_tensor_value_info(names.OUT_TEXT_VECTOR, TensorProto.FLOAT, [1, width])],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([1]), "along")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)


def with_encoder(bundle: Path, folder: Path) -> Path:
    """A copy of a bundle in `folder` that has the part: vectors of all items, and categories as kinds.

    Items that it has not seen are placed by what their texts mean, too, which says nothing here.
    """
    source = resolve(bundle)
    shutil.copytree(source, folder)
    snapshot = open_snapshot(source, read_manifest(source), threads=1)
    rows = snapshot.manifest.shapes.items + 1
    documents = [document_of(row, snapshot.catalogue, snapshot.filters) for row in range(1, rows)]
    texts = [document_text(document) for document in documents]
    with TemporaryDirectory() as name:
        parts = Path(name)
        tokens = write_tokenizer(parts / "tokenizer.json", texts)
        write_graph(parts / "encoder.onnx", tokens)
        files = EncoderFiles(parts / "encoder.onnx", parts / "tokenizer.json", SPEC)
        units = np.zeros((rows, WIDTH), dtype=np.float32)
        encoder = _encoder_of(files, parts / "alone")
        units[1:] = [encoder.document_vector(text) for text in texts]
        of_items = [document.category or "" for document in documents]
        kinds = sorted(set(of_items) - {""})
        item_kinds = np.array([-1, *(kinds.index(kind) if kind else -1 for kind in of_items)], dtype=np.int32)
        means = np.array([units[item_kinds == number].mean(axis=0) for number in range(len(kinds))], dtype=np.float32)
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        write_text_encoder(
            folder, snapshot.manifest.shapes.rows, files, ItemMeaning(units, means, kinds, item_kinds), GOLDEN
        )
    if (folder / names.PLACE).exists():
        np.save(folder / names.PLACE_MEANING, np.zeros((WIDTH, read_place_tables(folder).dim), dtype=np.float32))
    sign(folder)
    return folder


def sign(folder: Path) -> None:
    """Give a bundle the checksums and the numbers of the files that it has."""
    files = list_files(folder)
    document = json.loads((folder / names.MANIFEST).read_text("utf-8"))
    document |= {
        "parts": numbers_of(files),
        "files": {path: entry.model_dump() for path, entry in files.items()},
    }
    (folder / names.MANIFEST).write_text(json.dumps(document), "utf-8")


def _encoder_of(files: EncoderFiles, folder: Path) -> TextEncoder:
    """The encoder of files outside of a bundle."""
    (folder / names.ENCODER).parent.mkdir(parents=True)
    shutil.copyfile(files.graph, folder / names.ENCODER_GRAPH)
    shutil.copyfile(files.tokenizer, folder / names.ENCODER_TOKENIZER)
    (folder / names.ENCODER).write_text(files.spec.model_dump_json(), "utf-8")
    return read_text_encoder(folder)
