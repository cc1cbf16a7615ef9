"""Where the keys of commands lie in a Redis Cluster."""

from binascii import crc_hqx
from collections.abc import Sequence
from typing import Any, Final

SLOTS: Final = 16_384
Address = tuple[str, int]
"""Host and port of a node."""

_SCRIPTS: Final = frozenset({"EVALSHA", "EVAL"})
_WITHOUT_KEY: Final = frozenset({"PING", "INFO", "SCRIPT", "CONFIG", "CLIENT", "CLUSTER", "DBSIZE", "WAIT", "TIME"})


def slot_of(key: bytes) -> int:
    """The slot of a key: the CRC16 of what stands within its first braces, else of the whole key."""
    begin = key.find(b"{")
    end = key.find(b"}", begin + 1)
    return crc_hqx(key[begin + 1 : end] if 0 <= begin < end - 1 else key, 0) % SLOTS


def slot_of_command(words: Sequence[Any]) -> int | None:
    """The slot of a command's first key, in which all others must lie; None where it has no key."""
    name = str(words[0]).partition(" ")[0].upper()
    if name in _WITHOUT_KEY:
        return None
    key = words[3] if name in _SCRIPTS else words[1]
    return slot_of(key.encode() if isinstance(key, str) else bytes(key))


def owners_of(reply: Sequence[Any], source: Address) -> tuple[list[Address | None], list[Address]]:
    """The node of each slot, and the addresses of all nodes, from the reply to CLUSTER SLOTS.

    Args:
        reply: for each range the first and the last slot, the primary, then its replicas: host, port and more of each.
        source: who replied; a node that does not know its own host has this one's.
    """
    owners: list[Address | None] = [None] * SLOTS
    known: dict[Address, None] = {}
    for first, last, *nodes in reply:
        addresses = [(_text(node[0]) or source[0], int(node[1])) for node in nodes]
        known.update(dict.fromkeys(addresses))
        owners[int(first) : int(last) + 1] = [addresses[0]] * (int(last) - int(first) + 1)
    return owners, list(known)


def _text(host: bytes | str | None) -> str:
    text = host.decode() if isinstance(host, bytes) else host or ""
    return "" if text == "?" else text
