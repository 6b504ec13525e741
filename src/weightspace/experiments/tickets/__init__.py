"""Lottery tickets and supermasks: which weights of a network matter, their values or only their signs?"""
