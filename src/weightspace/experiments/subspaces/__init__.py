"""Learned subspaces: lines, curves and simplexes of networks beside separate trainings (Wortsman et al., 2021)."""
