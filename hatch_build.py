"""What installing does beside copying files: it compiles the kernels, for the machine that installs."""

import importlib
import sys
import sysconfig
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class KernelsHook(BuildHookInterface):
    """Compiles the kernels into `app/engine/kernels/compiled`; where that fails, the package goes without them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - as hatchling calls it
        """Called before files are collected, of a wheel and of an editable one."""
        sys.path.insert(0, self.root)
        build = importlib.import_module("app.engine.kernels.build")  # which needs nothing but Python
        try:
            made = build.compile_kernels()
        except build.NotCompiled as error:
            self.app.display_warning(f"installed without compiled kernels ({error}): NumPy does their work, slower")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
        build_data["artifacts"] += [path.relative_to(self.root).as_posix() for path in made]
