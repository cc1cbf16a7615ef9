"""What schemathesis has to know of this service beside its OpenAPI document."""

from typing import Any

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def lines_of(context: Any, value: Any) -> bytes:
    """A body of lines, which the document has as a text."""
    del context
    return str(value).encode(errors="surrogatepass")
