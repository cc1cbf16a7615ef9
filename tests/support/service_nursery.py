"""The process that services are forked from: it has imported what a service needs, and knows of nothing else.

For each byte that comes through the door with four descriptors, a service is forked: what to become is read from the
first as JSON, the next two are its outputs, and into the last go its process id and, in the end, its exit code. All
that was forked from it ends with it.
"""

import ctypes
import json
import os
import signal
import socket
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

# The service comes first: it says what ONNX Runtime is to leave alone when it is imported.
_IMPORTS: Final = ("app.main", "onnxruntime", "uvicorn.loops.uvloop", "uvloop")
_KILLED_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG


def nurse(door: socket.socket) -> None:
    """Fork services until whoever asks is gone."""
    for name in _IMPORTS:
        import_module(name)
    if (tasks := Path("/proc/self/task")).is_dir() and len(list(tasks.iterdir())) > 1:
        raise RuntimeError("expected one thread in the process that services are forked from: an import starts others")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who keep a service
    interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: whoever asks is still to clean up
    while True:
        asked, descriptors, _, _ = socket.recv_fds(door, 1, 4)
        if not asked:
            return
        parent = os.getpid()
        if os.fork() == 0:
            door.close()
            _end_with(parent)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if (service := _keep(*descriptors)) is not None:
                signal.signal(signal.SIGINT, interrupted)
                _become(service)
                import_module("app.main").cli()  # ends with SystemExit, as the command does
            os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)


def _keep(request: int, output: int, errors: int, told: int) -> dict[str, Any] | None:
    """Fork the service and tell how it ends; in the service itself, what it is to become."""
    with os.fdopen(request) as file:
        service: dict[str, Any] = json.load(file)
    keeper = os.getpid()
    if (process := os.fork()) == 0:
        _end_with(keeper)
        os.close(told)
        for number, descriptor in ((1, output), (2, errors)):
            os.dup2(descriptor, number)
            os.close(descriptor)
        return service
    os.close(output)
    os.close(errors)
    os.write(told, b"%d\n" % process)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os.write(told, b"%d\n" % code)
    return None


def _end_with(parent: int) -> None:
    """Be killed when the parent ends, where the system can do that."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_KILLED_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before
            os._exit(1)


def _become(service: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(service["environment"])
    os.chdir(service["folder"])
    sys.argv = ["aisle-serve", *service["words"]]


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as door:
        nurse(door)
