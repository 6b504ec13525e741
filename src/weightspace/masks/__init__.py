"""Masks: which weights a network keeps. One file an idea.

```
weights before and after training --criterion--> scores --prune--> mask --Masked--> the next training
```

`criteria` score the weights of a layer, `prune` cuts exact numbers of them, `kept` says what the rest
restarts from and `pruned` what the others are frozen at; every criterion goes with every pair of these.
"""
