"""Adapters that train the network: from the states at a cut, the layers before which are never run again."""
