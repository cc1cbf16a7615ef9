"""The job: from raw logs to a published bundle."""

import os

import app  # noqa: F401 - it silences ONNX Runtime, which exporters import too

for _name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
    os.environ[_name] = "1"  # before any package reads them: an encoder comes from a folder, and nobody is called
