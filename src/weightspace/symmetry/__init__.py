"""Symmetry: which relabellings of hidden units leave a mask as it is, counted exactly.

```
mask --models.units--> net --graph--> coloured graph --search--> order, generators, orbits, canonical order
```

A *net* is a list of booleans [inputs, units, taps], one array a layer: whether tap t connects input i with
unit j. Inputs of the first layer and units of the last are labelled. The group that acts is
G = S_{n_1} × … × S_{n_L} on the L hidden layers; what is counted is Aut(M) = {g ∈ G : gM = M}.
"""
