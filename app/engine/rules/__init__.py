"""What a shop decides over the model's order: boosts, diversity and pins, each on the list of one request."""

from app.engine.rules.boost import Boost
from app.engine.rules.pin import Pin

__all__ = ["Boost", "Pin"]
