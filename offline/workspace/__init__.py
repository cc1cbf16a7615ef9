"""What every stage of the job needs to write safely and to say how far it is."""
