"""Between HTTP and engine: fetch state, batch, run, assemble the answer."""
