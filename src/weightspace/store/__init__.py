"""Results on disk: files, records, questions, and what reads them."""
