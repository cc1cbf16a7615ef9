"""Compression: cuts of the network, what each costs and saves, and the choice of the one that is served."""
