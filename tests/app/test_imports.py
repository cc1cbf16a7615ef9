"""The service stays light: what it imports, and that it imports without a runtime."""

import subprocess
import sys

HEAVY = ("torch", "torch_geometric", "polars", "scipy", "onnx", "onnxruntime", "onnxscript", "pandas")


def test_importing_the_service_pulls_in_nothing_of_the_job_and_no_runtime() -> None:
    program = f"import app.main, sys; print([name for name in {HEAVY} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
