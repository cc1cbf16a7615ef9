"""How good the answers are: protocols, metrics, intervals, and the baselines to beat."""
