"""The job: from raw logs to a published bundle."""

import app  # noqa: F401 - it silences ONNX Runtime, which exporters import too
