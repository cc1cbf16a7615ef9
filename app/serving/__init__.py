"""Between HTTP and engine: batch calls, fetch states, run the engine, cut the answers; record what was shown."""
