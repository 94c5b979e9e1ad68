"""Ways of bringing a network to the items it is asked about, before it answers: one file each.

To add one: its file, with what `base.Method` lists, and its line in `METHODS`.
"""

from __future__ import annotations

from headstart import tasks
from headstart.core import words
from headstart.core.registry import Registry
from headstart.errors import BadOption
from headstart.predict.adapting.base import Adaptation, Job, Method, skew_of

METHODS: Registry[Method] = Registry(
    "way of adapting",
    {
        "batchnorm": "headstart.predict.adapting.batchnorm",
        "entropy": "headstart.predict.adapting.entropy",
    },
)
LEAST = 16
"""Items: with fewer, statistics are noise (Niu et al., ICLR 2023), and no guard can tell good from bad."""
MOST = 1_024
"""Items that are adapted to, drawn from all: they are held in memory."""
BATCH = 64


def adapt(name: str, job: Job) -> Adaptation:
    """Adapt the network of the job in place, or raise `BadOption` with the reason why that would do harm."""
    method, items, task = METHODS[name], sum(map(len, job.batches)), job.task
    if not tasks.for_task(task).exclusive:
        kind = f"this is a {task.kind} model, and only answers of one class an item show whether it does harm"
        raise refused(name, kind)
    if reason := method.lacking(job.net):
        raise refused(name, reason)
    if items < LEAST:
        has = words.count(items, "item")
        raise refused(name, f"{has} can be read, and it takes {LEAST} to tell a change from chance")
    before = job.predictions()
    skew = skew_of(task, before, job.due)
    if skew.harmful and not METHODS["batchnorm"].lacking(job.net):
        raise refused(
            name,
            f"{100 * skew.share:.0f} % of {items:,} answers are {skew.label!r}, which "
            f"{100 * skew.due:.0f} % of what it learnt from was, and BatchNorm takes classes so skewed "
            f"(by {skew.found:.2f}, allowed {skew.allowed:.2f}) for a change of the items",
        )
    done = method.apply(job, before)
    changed = float((before.argmax(axis=1) != done.after.argmax(axis=1)).mean())
    return Adaptation(name, items, changed, skew, done.steps, done.stopped, done.sentence)


def refused(name: str, reason: str) -> BadOption:
    """Why it is not done, as one sentence."""
    return BadOption("--adapt", name, f"left out: {reason}")
