"""Lists of items for users: how they are made from who chose what, and how they are scored.

Interactions are scipy CSR matrices `[U, I]`: one row a user, one column an item, 1 where the user chose it.
"""
