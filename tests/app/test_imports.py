"""The service imports where nothing of the job is installed, and pulls in no runtime of its own accord."""

import subprocess
import sys

OF_THE_JOB = ("torch", "torch_geometric", "polars", "scipy", "onnx", "onnxscript", "pandas")
RUNTIME = "onnxruntime"
# A library may use what it finds (bm25s takes scipy where there is one): so nothing of the job is to be found.
PROGRAM = f"""
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {OF_THE_JOB}:
            raise ModuleNotFoundError(f"no {{name}} in an install that only serves", name=name)

sys.meta_path.insert(0, NotInstalled())
import app.main
import app.engine.loading

print([name for name in {(*OF_THE_JOB, RUNTIME)} if name in sys.modules])
"""


def test_the_service_imports_where_nothing_of_the_job_is_installed_and_pulls_in_no_runtime() -> None:
    found = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout.strip()) == (0, "[]"), found.stderr
