"""Learned subspaces: lines, curves and simplexes of networks beside separate trainings."""
