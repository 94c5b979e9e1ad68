"""What items without a label say of labels: pure functions of stored features and of answers."""

from headstart.measure.unlabelled.alignment import aligned, believed, warm_up
from headstart.measure.unlabelled.graph import certainty, neighbours, seeds, shares, spread
from headstart.measure.unlabelled.voting import agreed

__all__ = ["agreed", "aligned", "believed", "certainty", "neighbours", "seeds", "shares", "spread", "warm_up"]
