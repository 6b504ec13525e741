"""What a user's own code is: a digest of everything its numbers come from.

A result must not be reused after the code that made it has changed, and must be found again after an edit
that changes nothing. `follow` walks from a function, class or object to all that it reaches: code, default
arguments, captured variables, attributes, base classes, globals, other modules of the user's. Code stands as
its syntax tree without comments, docstrings and layout (`source`); what an installed package defines stands
as its name (`homes`), for versions of packages are provenance; what cannot be followed is refused
(`refusals`).
"""

from weightspace.identity.follow import identity_digest as identity_digest
from weightspace.identity.follow import what_changed as what_changed
from weightspace.identity.homes import installed as installed
from weightspace.identity.homes import qualified_name as qualified_name
