"""Networks: the contract, what their leaves are, adapters for every library, and the zoo."""
