"""The compiled training program: one run's functions, and blocks of runs side by side.

`program` composes `order` (which examples), `step` (one update) and `evaluate` (metrics) into
`start / advance / finish`; `block` compiles these for lanes × devices; `lanes` says how many.
"""
