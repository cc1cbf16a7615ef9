"""How the threads of the job wait for each other."""

import os
import subprocess
import sys

import pytest

SEEN = """
import sys, offline
assert "torch" not in sys.modules, "torch has read its settings before the job could set them"
import os
print(os.environ["OMP_WAIT_POLICY"])
"""


@pytest.mark.parametrize("given", [None, "ACTIVE"])
def test_threads_wait_without_spinning_unless_the_user_says_so(given: str | None) -> None:
    env = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    env |= {} if given is None else {"OMP_WAIT_POLICY": given}
    answer = subprocess.run([sys.executable, "-c", SEEN], env=env, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == (given or "PASSIVE")
