"""A made-up shop: a catalogue, shoppers with tastes, and the log that they leave."""
