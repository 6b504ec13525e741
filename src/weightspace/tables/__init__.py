"""Tables: what is said of runs, pure from frame to frame; no plotting, no question."""
