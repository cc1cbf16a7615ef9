"""The slots of a Redis Cluster that keys lie in."""

from binascii import crc_hqx
from collections.abc import Iterable


def slots_of(keys: Iterable[bytes]) -> set[int]:
    """The slot of each key: the CRC16 of what stands within its first braces, else of the whole key."""
    return {crc_hqx(_tag_of(key), 0) % 16_384 for key in keys}


def _tag_of(key: bytes) -> bytes:
    begin = key.find(b"{")
    end = key.find(b"}", begin + 1)
    return key[begin + 1 : end] if 0 <= begin < end - 1 else key
