"""What a load test must keep to: shares of errors, and latencies by scenario."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

PERCENTILES: Final = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
_LIMIT: Final = re.compile(r"(?P<scenario>[^:]+):(?P<percentile>p50|p95|p99)=(?P<most>\d+(\.\d+)?)")


@dataclass(frozen=True)
class Limits:
    """Of every scenario, unless it has its own."""

    error_share: float
    latencies_ms: Mapping[str, float]  # by percentile
    of_scenarios: Mapping[str, Mapping[str, float]]  # the same, by scenario

    def broken_by(self, figures: Mapping[str, Mapping[str, float]]) -> list[str]:
        """What was not kept to, in words.

        Args:
            figures: by scenario `requests`, `failures` and milliseconds by percentile.
        """
        broken = []
        for scenario, found in figures.items():
            share = found["failures"] / found["requests"] if found["requests"] else 0.0
            if share > self.error_share:
                broken.append(f"{scenario}: {share:.2%} of the requests failed, at most {self.error_share:.2%} may")
            for percentile, most in (dict(self.latencies_ms) | dict(self.of_scenarios.get(scenario, {}))).items():
                if found[percentile] > most:
                    broken.append(f"{scenario}: {percentile} is {found[percentile]:.0f} ms, at most {most:g} ms may be")
        unknown = sorted(set(self.of_scenarios) - set(figures))
        broken += [f"{scenario}: it has a limit, and no request was made" for scenario in unknown]
        return broken if figures else ["no request was made"]


def read_limits(texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """Limits of scenarios, such as `search:p95=80`.

    Raises:
        ValueError: one is none.
    """
    found: dict[str, dict[str, float]] = {}
    for text in texts:
        match = _LIMIT.fullmatch(text)
        if match is None:
            raise ValueError(f"expected a limit such as search:p95=80, in milliseconds, got {text!r}")
        found.setdefault(match["scenario"], {})[match["percentile"]] = float(match["most"])
    return found
