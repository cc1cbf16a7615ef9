"""Services that tests fork are processes like those of the command, and nothing is left of them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from quick_services import QuickService

WITHIN_S = 30
AROUND = """
import sys
from quick_services import QuickService
services = [QuickService(["--bundle", sys.argv[1], "--port", "0"], {"AISLE_WAIT": "true"}) for _ in range(2)]
assert all(service.stdout.readline() for service in services)
print(*(service.pid for service in services), flush=True)
"""


def around(end: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Two services that wait for a bundle in the folder, and then what else the process that started them does."""
    return subprocess.run(
        [sys.executable, "-c", AROUND + end, str(folder)],
        env=environment(PYTHONPATH=os.pathsep.join(path for path in sys.path if path)),
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN_S,
    )


def environment(**more: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("AISLE_")} | more


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def await_the_end_of(process: int) -> None:
    """It is gone, or a zombie that the first process of the machine has not looked at yet."""
    stat = Path(f"/proc/{process}/stat")
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        try:
            if stat.read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(0.01)
    pytest.fail(f"process {process} still runs")


def test_outputs_and_code_are_those_of_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = str(Path(sys.executable).with_name("aisle-serve"))
    for words, variables in (([], {"AISLE_PROT": "1"}), (["--prot", "1"], {})):
        given = environment(**variables)
        told = subprocess.run([command, *words], env=given, capture_output=True, text=True, check=False)
        with QuickService(words, given) as service:
            assert service.communicate(WITHIN_S) == (told.stdout, told.stderr)
            assert service.returncode == told.returncode != 0


def test_the_end_by_a_signal_is_told_and_nobody_is_left(tmp_path: Path) -> None:
    for number in (signal.SIGKILL, signal.SIGSEGV):
        with QuickService(["--bundle", str(tmp_path), "--port", "0"], environment(AISLE_WAIT="true")) as service:
            keeper = parent_of(service.pid)
            assert service.poll() is None
            with pytest.raises(subprocess.TimeoutExpired):
                service.wait(0.01)
            service.send_signal(number)
            assert service.wait(WITHIN_S) == -number
            service.send_signal(number)  # to nobody
        assert not Path(f"/proc/{service.pid}").exists()  # reaped before its code was told
        await_the_end_of(keeper)


@pytest.mark.parametrize("end", ["", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_with_whoever_started_services_they_end(tmp_path: Path, end: str) -> None:
    services = [int(word) for word in around(end, tmp_path).stdout.split()]
    assert len(services) == 2
    for process in services:
        await_the_end_of(process)


def test_without_the_process_that_forks_services_one_is_told_so(tmp_path: Path) -> None:
    end = """
import os, signal
from pathlib import Path
parent_of = lambda process: int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
os.kill(parent_of(parent_of(services[0].pid)), signal.SIGKILL)
for ask in (services[0].wait, lambda: QuickService([], {})):
    try:
        ask()
    except RuntimeError as error:
        print(error, file=sys.stderr)
"""
    told = around(end, tmp_path)
    assert told.stderr.splitlines() == 2 * [
        "the process that services are forked from has ended: what it wrote to stderr says why"
    ]
    for word in told.stdout.split():
        await_the_end_of(int(word))
