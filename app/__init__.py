"""The online service: loads a bundle and answers requests. Never imports torch."""

import os

# ONNX Runtime reports to its maker, and leaves an identifier in the home folder, unless this is set before its import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
