"""One file and one page a rule, the registry that lists them, and how a network is judged by them."""
