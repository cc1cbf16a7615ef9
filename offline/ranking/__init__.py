"""The ranker: learned on validation targets, from candidates and features as the engine makes them."""
