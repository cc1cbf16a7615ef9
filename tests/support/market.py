"""A shop whose items change while it is served: who changes them, and who is asked afterwards."""

from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class Market:
    """Two clients of one process, or of two replicas."""

    writer: httpx.Client
    reader: httpx.Client

    def ask(self, **fields: Any) -> dict[str, Any]:
        """The answer to a request, which lacks nothing."""
        response = self.reader.post("/recommend", json=fields)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        assert answer["degraded"] == []
        return answer

    def ids(self, **fields: Any) -> list[str]:
        """The ids of its items."""
        return [item["item_id"] for item in self.ask(**fields)["items"]]

    def change(self, method: str, item_id: str, **fields: Any) -> dict[str, Any]:
        """Change an item."""
        response = self.writer.request(method, f"/items/{item_id}", json=fields or None)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        assert (answer["applied"], answer["rejected"]) == (1, [])
        return answer

    def fields_of(self, item_id: str) -> dict[str, Any]:
        """What is known of an item, without what is missing."""
        fields = self.reader.get(f"/items/{item_id}").json()["fields"]
        return {name: value for name, value in fields.items() if value is not None}

    def suggested(self, typed: str) -> list[str]:
        """The texts of its completions."""
        return [entry["text"] for entry in self.reader.get("/suggest", params={"q": typed}).json()["suggestions"]]

    def facet(self, column: str, **fields: Any) -> dict[str, int]:
        """Counts of a column, by value."""
        values = self.ask(facets=[column], k=1, **fields)["facets"][column]
        return {entry["value"]: entry["count"] for entry in values}
