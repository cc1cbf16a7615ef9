"""The head of an HTTP/1.1 answer, read by hand: a proxy spells the names of headers in its own way."""


def header_of(head: bytes, name: bytes) -> bytes | None:
    """The value of a header; nothing if there is none.

    Args:
        head: of the answer, from its status line on, without the empty line at its end.
        name: in lower case; that in the answer may be in any.
    """
    place = head.lower().find(b"\r\n" + name + b":")
    if place < 0:
        return None
    begin = place + len(name) + 3
    end = head.find(b"\r\n", begin)
    return head[begin : len(head) if end < 0 else end].strip()


def length_of(head: bytes) -> int:
    """Bytes of the body.

    Raises:
        ValueError: the answer does not say.
    """
    length = header_of(head, b"content-length")
    if length is None:
        raise ValueError(f"expected an answer with a Content-Length, got {head!r}")
    return int(length)
