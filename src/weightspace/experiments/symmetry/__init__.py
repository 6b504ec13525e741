"""Weight symmetry: what is left of the relabellings of hidden units under a mask, and does it matter?"""
