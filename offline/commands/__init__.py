"""The commands of `aisle-offline`, by whom they are for: data, training, the live service."""
