"""State outside the engine, behind small protocols."""
