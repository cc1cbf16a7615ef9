"""Compiling the kernels, when the package is installed: a library for each kind of processor, in `compiled`.

The compiler is the one in PyPI's `ziglang`, which installing brings and takes away again, so that nobody needs one of
their own; without it, the system's `cc`. Nothing but Python's own library is imported here.
"""

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).parent / "source"
FOLDER: Final = Path(__file__).parent / "compiled"
FLAGS: Final = (
    "-std=c11",
    "-O3",
    "-g0",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-ffp-contract=off",  # a fused product and sum is rounded once, NumPy's twice
    "-fno-math-errno",
    "-Wall",
    "-Wextra",
)
_PROCESSORS: Final = {"x86_64": ("x86_64", "x86_64_v3"), "aarch64": ("aarch64",)}
"""The kinds of processor that libraries are made for, by machine; the plainest first."""
_LONGEST_S: Final = 300


class NotCompiled(Exception):
    """The kernels cannot be compiled here; the message says why."""


@dataclass(frozen=True)
class Compiler:
    """A C compiler."""

    command: tuple[str, ...]
    is_zig: bool

    def flags(self, processor: str) -> tuple[str, ...]:
        """What makes it compile for a kind of processor."""
        if self.is_zig:
            return (f"-mcpu={'generic' if processor == 'aarch64' else processor}", "-fno-sanitize=all")
        return () if processor == "aarch64" else (f"-march={processor.replace('_', '-')}",)


def source_hash() -> str:
    """What a library bears that was made of the source that lies here."""
    digest = hashlib.sha256()
    for path in sorted(SOURCE.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def libraries() -> list[tuple[str, Path]]:
    """The kinds of this machine's processors and where the library of each lies, the plainest first."""
    return [(kind, FOLDER / f"kernels_{kind}.so") for kind in _PROCESSORS.get(platform.machine(), ())]


def compiler() -> Compiler:
    """The compiler to use.

    Raises:
        NotCompiled: there is none.
    """
    if importlib.util.find_spec("ziglang") is not None:
        return Compiler((sys.executable, "-m", "ziglang", "cc"), is_zig=True)
    system = shutil.which(os.environ.get("CC", "cc"))
    if system is None:
        raise NotCompiled("no C compiler: pip install ziglang")
    return Compiler((system,), is_zig=False)


def compile_kernels() -> list[Path]:
    """Compile a library for each kind of processor of this machine; what is there of another source is replaced.

    Raises:
        NotCompiled: there is no compiler, it does not know this machine, or it fails.
    """
    targets = libraries()
    if os.name != "posix" or not targets:
        raise NotCompiled(f"no kernels for {platform.system()} on {platform.machine()}")
    with_what, bears = compiler(), source_hash()
    sources = [str(path) for path in sorted(SOURCE.glob("*.c"))]
    with tempfile.TemporaryDirectory() as below:
        caches = dict.fromkeys(("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"), below)
        for kind, path in targets:
            made = Path(below) / path.name
            flags = (*FLAGS, *with_what.flags(kind), f'-DSOURCE_HASH="{bears}"')
            _run([*with_what.command, *flags, "-o", str(made), *sources], os.environ | caches)
            path.parent.mkdir(exist_ok=True)
            copy = path.with_suffix(".new")
            shutil.copyfile(made, copy)
            copy.replace(path)  # never half of one, and never under the feet of a process that has it open
    return [path for _, path in targets]


def _run(command: list[str], environment: dict[str, str]) -> None:
    try:
        ended = subprocess.run(  # noqa: S603 - our own sources
            command, env=environment, capture_output=True, text=True, timeout=_LONGEST_S, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NotCompiled(f"{command[0]} failed: {error}") from error
    if ended.returncode:
        raise NotCompiled(f"{command[0]} failed: {ended.stderr.strip()[-2_000:]}")


def main() -> None:
    """Compile, and say what lies where."""
    try:
        made = compile_kernels()
    except NotCompiled as error:
        sys.exit(f"kernels: {error}")
    for path in made:
        sys.stdout.write(f"{path} ({path.stat().st_size} bytes)\n")


if __name__ == "__main__":
    main()
