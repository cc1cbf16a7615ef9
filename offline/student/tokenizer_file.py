"""The tokenizer of a teacher, as the service is to read it."""

import json
from pathlib import Path
from typing import Any

from offline.teacher.folder import TeacherFolder
from offline.workspace.atomic import atomic_file


def write_tokenizer(teacher: TeacherFolder, path: Path) -> None:
    """Write the teacher's tokenizer, without padding, and with small letters where the teacher is given those."""
    document: dict[str, Any] = json.loads((teacher.model_path / "tokenizer.json").read_text("utf-8"))
    document["padding"] = document["truncation"] = None
    if teacher.lower_case:
        own = document.get("normalizer")
        parts = [{"type": "Lowercase"}, *([own] if own else [])]
        document["normalizer"] = {"type": "Sequence", "normalizers": parts}
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
