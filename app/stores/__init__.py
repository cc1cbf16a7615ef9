"""State outside the engine, behind two protocols: user states, and published versions."""
