"""The theory of the threshold training dimension d*: what a quadratic well predicts (Larsen et al., 2022)."""
