"""The job: from raw logs to a published bundle."""

import os

import app  # noqa: F401 - it silences ONNX Runtime, which exporters import too

for _name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
    os.environ[_name] = "1"  # before any package reads them: an encoder comes from a folder, and nobody is called

# Before torch reads it: a thread that waits for others by spinning takes the core from those that it waits for, where
# the machine has other work, and then a training step costs four times the processor time.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
