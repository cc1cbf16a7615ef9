"""Whether what is measured runs in compiled kernels: without them all figures of the engine are others."""

import sys
from importlib.util import find_spec


def warn_without_kernels() -> None:
    """Say it on stderr where the `app` that is imported here would do without the kernels that it has."""
    if find_spec("app.engine.kernels") is None:  # of a time before them
        return
    from app.engine.kernels.library import kernel_kind  # noqa: PLC0415 - see above

    if kernel_kind() == "numpy":
        print(
            "no compiled kernels of this source: what follows is measured with NumPy in their place; "
            "`make install` compiles them",
            file=sys.stderr,
        )
