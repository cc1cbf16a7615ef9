"""Which library is opened, and what is said where there is none."""

import shutil
from pathlib import Path

import pytest

from app.engine.kernels import build
from app.engine.kernels.build import NotCompiled, compile_kernels, libraries
from app.engine.kernels.library import KernelsMissing, Library, kernel_kind, open_library, using


def test_a_library_that_is_not_there_or_no_library_is_no_library_to_use(tmp_path: Path) -> None:
    with pytest.raises(KernelsMissing, match=r"kernels\.so is not there"):
        open_library("x86_64", tmp_path / "kernels.so")
    (tmp_path / "kernels.so").write_bytes(b"no machine code")
    with pytest.raises(KernelsMissing, match="cannot be opened"):
        open_library("x86_64", tmp_path / "kernels.so")


def test_a_library_of_another_source_is_not_used(
    compiled: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "source"
    shutil.copytree(build.SOURCE, other)
    (other / "order.c").write_text((other / "order.c").read_text("utf-8") + "/* changed */\n", "utf-8")
    monkeypatch.setattr(build, "SOURCE", other)
    with pytest.raises(KernelsMissing, match="compiled of another source"):
        open_library(*libraries()[0])


def test_what_is_used_has_a_name() -> None:
    with using(None):
        assert kernel_kind() == "numpy"


def test_without_a_compiler_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotCompiled, match="pip install ziglang"):
        compile_kernels()


@pytest.mark.slow
def test_the_sources_compile_without_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    try:
        build.compiler()
    except NotCompiled as error:
        pytest.skip(str(error))
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, "-Werror"))
    assert [path.parent for path in compile_kernels()] == [tmp_path] * len(libraries())
