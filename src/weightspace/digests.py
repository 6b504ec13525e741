"""Digests: what things are called by their content. No library is needed to read them."""

import hashlib

DIGEST_LENGTH = 32
"""Hexadecimal digits kept of a digest: 128 bits."""


def text_digest(text: str) -> str:
    """The digest of a text: the beginning of its SHA-256 in hexadecimal digits.

    >>> text_digest("")
    'e3b0c44298fc1c149afbf4c8996fb924'
    """
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]
