"""A small encoder that learns to read as the teacher does, and the kinds that the teacher's vectors tell apart."""
