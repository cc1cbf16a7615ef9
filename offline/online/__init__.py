"""Online evaluation: what shoppers did with the answers that they were shown, by the version that answered."""
