"""From files to clean, typed, ordered events and items."""
