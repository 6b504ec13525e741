"""Degrees of freedom: in how small a slice of weight space can a network be trained?"""
