"""A large pretrained encoder, run on the texts of a catalogue while the bundle is made, and never while it serves."""
