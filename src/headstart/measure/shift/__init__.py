"""Whether two sets of items come from one distribution, how far they differ, and in what way.

Pure functions of arrays. Throughout: S source rows (labelled), T target rows, D columns of features, C
classes numbered from 0.
"""

from headstart.measure.shift.accuracy import AccuracyBound, accuracy_on_target
from headstart.measure.shift.amounts import amounts
from headstart.measure.shift.bbsd import Bbsd, bbsd
from headstart.measure.shift.label_shift import LabelShift, label_shift
from headstart.measure.shift.mmd import Mmd, mmd
from headstart.measure.shift.separation import Separation, domain_auc
from headstart.measure.shift.signature import signature
from headstart.measure.shift.structure import clustered

__all__ = [
    "AccuracyBound", "Bbsd", "LabelShift", "Mmd", "Separation",
    "accuracy_on_target", "amounts", "bbsd", "clustered", "domain_auc", "label_shift", "mmd", "signature",
]  # fmt: skip
