"""A cache of a method's results that its own object may hold."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar
from weakref import WeakMethod

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def cache_of_method(method: FunctionT, most: int) -> FunctionT:
    """The bound method with its last results kept; it does not keep the method's object alive.

    `lru_cache` of the method itself does, so that an object that holds it goes only when the collector comes by, and
    never where what it walks through was frozen meanwhile.

    Args:
        method: is called only as long as its object lives.
        most: results that are kept.
    """
    of_object = WeakMethod(method)

    def call(*arguments: Any) -> Any:
        bound = of_object()
        assert bound is not None  # noqa: S101 - whoever asks is the object, or holds it
        return bound(*arguments)

    return lru_cache(most)(call)  # type: ignore[return-value]
