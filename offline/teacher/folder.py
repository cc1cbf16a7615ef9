"""What the folder of a teacher says: how texts are cut, pooled and begun, and whether it can be used at all."""

import hashlib
import importlib.util
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from offline.errors import TeacherError
from offline.teacher.settings_files import NEEDS, read_modules, read_object

Kind = Literal["query", "document"]
Pooling = Literal["mean", "cls", "last", "max"]

MOST_TOKENS: Final = 128
"""Of a text; a title and the start of a description fit, and what an encoder takes grows with it."""
WEIGHTS: Final = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_POOLINGS: Final[dict[str, Pooling]] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last",
    "pooling_mode_max_tokens": "max",
}
_KNOWN_MODULES: Final = ("Transformer", "Pooling", "Normalize")
_PACKAGES: Final = ("torch", "transformers", "tokenizers")


@dataclass(frozen=True)
class TeacherFolder:
    """A folder that can be used, and what is read from its small files."""

    path: Path
    model_path: Path  # of config, tokenizer and weights: the folder itself, or the one of its module Transformer
    pooling: Pooling
    max_tokens: int
    lower_case: bool
    query_prefix: str
    document_prefix: str

    def prefix(self, kind: Kind) -> str:
        """What a text of that kind begins with."""
        return self.query_prefix if kind == "query" else self.document_prefix

    def files(self) -> list[Path]:
        """Everything that vectors hang on, in a fixed order."""
        names = ("config.json", "tokenizer.json")
        small = [self.model_path / name for name in names]
        shards = (*self.model_path.glob("model*.safetensors*"), *self.model_path.glob("pytorch_model*.bin*"))
        return [*small, *sorted(shards)]

    def state(self) -> list[Any]:
        """What a run's key holds of it: settings, and name, bytes and time of change of every file."""
        files = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in self.files()]
        return [str(self.path), self.settings(), files]

    def settings(self) -> dict[str, Any]:
        """The small things that vectors hang on."""
        return {name: value for name, value in asdict(self).items() if name not in ("path", "model_path")}

    def fingerprint(self) -> str:
        """A hash of all that a document's vector hangs on; reads the weights, some seconds a gigabyte."""
        documents = {name: value for name, value in self.settings().items() if name != "query_prefix"}
        whole = hashlib.sha256(json.dumps(documents, sort_keys=True).encode())
        for path in self.files():
            with path.open("rb") as file:
                whole.update(f"{path.name} {path.stat().st_size} ".encode())
                whole.update(hashlib.file_digest(file, "sha256").digest())
        return whole.hexdigest()[:32]


def require_packages() -> None:
    """Return when the packages of the extra `teacher` are installed.

    Raises:
        TeacherError: one is not.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise TeacherError(
            f"a teacher wants packages that are not here ({', '.join(missing)}): install aisle[offline,teacher]"
        )


def read_teacher_folder(
    path: Path, *, query_prefix: str | None = None, document_prefix: str | None = None
) -> TeacherFolder:
    """Read the small files of a teacher's folder; its weights are not opened.

    Args:
        path: of the folder.
        query_prefix: what queries begin with; None: what the folder says, or nothing.
        document_prefix: the same of texts of items.

    Raises:
        TeacherError: the folder is missing or lacks a file, or wants what there is not here; one line.
    """
    if not path.is_dir():
        got = "a file" if path.exists() else "no such folder"
        raise TeacherError(f"{path}: expected {NEEDS}; got {got}: name the folder of an encoder")
    modules = read_modules(path / "modules.json")
    model_path = path if modules is None else path / _path_of(path, modules, "Transformer")
    names = {"config.json": ("config.json",), "tokenizer.json": ("tokenizer.json",), "weights": WEIGHTS}
    lacking = [what for what, files in names.items() if not any((model_path / file).is_file() for file in files)]
    if lacking:
        advice = "fetch the whole folder"
        if lacking == ["tokenizer.json"]:
            advice = "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER) of transformers writes it"
        raise TeacherError(f"{model_path}: expected {NEEDS}; got none of {', '.join(lacking)}: {advice}")
    config = read_object(model_path / "config.json")
    _refuse_own_code(model_path, config)
    sentence = read_object(model_path / "sentence_bert_config.json")
    prompts = read_object(path / "config_sentence_transformers.json").get("prompts")
    prompts = prompts if isinstance(prompts, dict) else {}
    return TeacherFolder(
        path=path,
        model_path=model_path,
        pooling="mean" if modules is None else _pooling(path, modules),
        max_tokens=_max_tokens(sentence, config),
        lower_case=sentence.get("do_lower_case") is True,
        query_prefix=_prompt(prompts, "query") if query_prefix is None else query_prefix,
        document_prefix=_prompt(prompts, "document", "passage") if document_prefix is None else document_prefix,
    )


def _path_of(path: Path, modules: list[dict[str, Any]], name: str) -> str:
    """The folder of a module, by the last part of its type.

    Raises:
        TeacherError: there is none, or one that is not known here.
    """
    kinds = [str(entry["type"]).rpartition(".")[2] for entry in modules]
    foreign = [str(entry["type"]) for entry, kind in zip(modules, kinds, strict=True) if kind not in _KNOWN_MODULES]
    if foreign:
        raise TeacherError(
            f"{path / 'modules.json'}: expected the modules {', '.join(_KNOWN_MODULES)}, got {', '.join(foreign)}: "
            "choose an encoder without it"
        )
    if name not in kinds:
        raise TeacherError(f"{path / 'modules.json'}: expected a module {name}, got none: choose another encoder")
    return str(modules[kinds.index(name)].get("path", ""))


def _pooling(path: Path, modules: list[dict[str, Any]]) -> Pooling:
    file = path / _path_of(path, modules, "Pooling") / "config.json"
    config = read_object(file)
    modes = [mode for key, mode in _POOLINGS.items() if config.get(key) is True]
    others = [key for key, value in config.items() if key.startswith("pooling_mode_") and value is True]
    if isinstance(config.get("pooling_mode"), str):  # as newer versions write it
        modes, others = (
            [mode for mode in _POOLINGS.values() if config["pooling_mode"] in (mode, f"{mode}token")],
            [config["pooling_mode"]],
        )
    if len(others) != 1 or len(modes) != 1:
        got = ", ".join(others) or "none"
        raise TeacherError(
            f"{file}: expected one pooling of mean, cls, last token and max, got {got}: choose another encoder"
        )
    return modes[0]


def _max_tokens(sentence: dict[str, Any], config: dict[str, Any]) -> int:
    """The most tokens of a text: what the folder says, at most `MOST_TOKENS`."""
    positions = config.get("max_position_embeddings")
    offset = 2 if config.get("model_type") in ("roberta", "xlm-roberta", "camembert", "mpnet") else 0
    bounds = [sentence.get("max_seq_length"), positions - offset if isinstance(positions, int) else None]
    return min([MOST_TOKENS, *(bound for bound in bounds if isinstance(bound, int) and bound > 2)])


def _prompt(prompts: dict[str, Any], *names: str) -> str:
    return next((prompts[name] for name in names if isinstance(prompts.get(name), str)), "")


def _refuse_own_code(path: Path, config: dict[str, Any]) -> None:
    """Return where transformers has the network itself.

    Raises:
        TeacherError: the folder brings code of its own, which is not run, or its network does not only encode.
    """
    kind = config.get("model_type")
    if config.get("is_encoder_decoder") is True:
        raise TeacherError(f"{path}: expected an encoder, got one with a decoder ({kind}): choose another")
    if "auto_map" not in config:
        return
    require_packages()
    from transformers import CONFIG_MAPPING  # noqa: PLC0415 - it takes a second

    if kind not in CONFIG_MAPPING:
        code = str(next(iter(dict(config["auto_map"]).values()), kind))
        raise TeacherError(
            f"{path}: expected an encoder that transformers knows, got one that brings code of its own "
            f"({code}), which is not run: choose another"
        )
