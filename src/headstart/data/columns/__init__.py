"""Which column of a table is what: named by the user, or recognised by its usual names and by its values."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from headstart import modalities, tasks
from headstart.core.dataset import Note
from headstart.data import labels
from headstart.data.columns.prose import PROSE_WORDS, is_prose, words_in
from headstart.data.items import cells as inside_cells
from headstart.data.reading import FOLDERS, Reading, bare, suffix_of
from headstart.data.reading import SPLITS as PARTS
from headstart.errors import BadOption, DataError, UnknownName
from headstart.tasks.base import Labels

PATHS = ("path", "file", "filename", "filepath", "image", "imagepath", "imagefile", "imagename", "img",
         "imgpath", "imgname", "photo", "picture", "images", "files", "imageid", "audio", "audiopath",
         "audiofile", "wav", "wavpath", "wavfile", "id")  # fmt: skip
TEXTS = ("text", "sentence", "review", "question", "query", "content", "body", "message", "utterance",
         "document", "tweet", "comment", "post", "statement", "narrative", "article", "passage", "abstract",
         "description", "summary", "title", "headline", "subject")  # fmt: skip
"""In this order: where there are a title and a text, the text is meant."""
PAIRS = (("sentence1", "sentence2"), ("premise", "hypothesis"), ("question1", "question2"),
         ("texta", "textb"), ("text1", "text2"), ("sentencea", "sentenceb"), ("query1", "query2"),
         ("q1", "q2"), ("s1", "s2"))  # fmt: skip
LIKELY_PAIRS = (("query", "passage"), ("query", "document"), ("question", "passage"),
                ("question", "sentence"), ("question", "context"), ("claim", "evidence"),
                ("question", "answer"))  # fmt: skip
"""Pairs if both columns hold texts: an "answer" may as well be a label."""
LABELS = ("label", "labels", "class", "classname", "classes", "category", "categories", "target", "targets",
          "y", "tag", "tags", "labelname", "species", "breed", "labeltext", "sentiment", "intent", "topic",
          "polarity", "emotion", "isduplicate", "goldlabel", "similarity", "rating", "stars",
          "score")  # fmt: skip
SPLITS = ("split", "set", "subset", "partition", "foldname")
"""The first says it by itself; the others may mean anything, and are taken by what they hold."""
GROUPS = ("group", "groups", "groupid", "patient", "patientid", "subject", "subjectid")
DOMAINS = ("domain",)
IDS = ("id", "ids", "idx", "uid", "guid", "uuid", "textid", "docid", "rowid", "reviewid", "tweetid", "pairid",
       "sentenceid", "qid", "index", "unnamed0", "")  # fmt: skip

MOST_FLAGS = 8
"""Different values in a column of yes and no: those of programs that write each in several ways."""
ROWS = next((name for name in modalities.MODALITIES.own() if modalities.get(name).ROWS), "")
"""The modality of rows."""
LOOKED_AT = 200
"""Values of a column by which it is judged."""


class Cells(NamedTuple):
    """What columns are recognised by: the names of all, and some values of those that hold text."""

    names: tuple[str, ...]
    texts: Mapping[str, Sequence[str]]
    nested: tuple[str, ...] = ()
    """The columns of lists and of records."""
    empty: frozenset[str] = frozenset()
    """The columns that hold nothing: they are taken for nothing."""
    flags: tuple[str, ...] = ()
    """The columns that hold 0 and 1, or yes and no, and nothing else."""
    pictures: Mapping[str, str] = MappingProxyType({})
    """The columns whose cells are pictures, or other items that are no words -> their modality."""

    @classmethod
    def of(cls, table: pl.DataFrame) -> Cells:
        texts = {name: some(table[name]) for name in table.columns if table[name].dtype == pl.String}
        nested = tuple(name for name in table.columns if table[name].dtype.is_nested())
        nothing = (name for name in table.columns if table[name].null_count() == table.height)
        blank = (name for name, values in texts.items() if not values)
        flags = tuple(name for name in table.columns if _is_flag(table[name]))
        held = inside_cells.with_pictures(table, lambda name: bare(name) in PATHS)
        return cls(tuple(table.columns), texts, nested, frozenset((*nothing, *blank)), flags, held)


def _is_flag(column: pl.Series) -> bool:
    """Whether a column may be that of one label."""
    if column.dtype not in (pl.String, pl.Boolean) and not column.dtype.is_numeric():
        return False
    held = column.drop_nulls().unique()
    return 0 < len(held) <= MOST_FLAGS and labels.is_flags({labels.flag(value) for value in held.to_list()})


def some(column: pl.Series) -> list[str]:
    """Up to `LOOKED_AT` values that are not blank, from all over the column."""
    found = column.filter(column.str.strip_chars() != "")
    return found.gather_every(max(1, len(found) // LOOKED_AT)).head(LOOKED_AT).to_list()


@dataclass(frozen=True)
class Columns:
    """Names of the columns; None where the table has none of the kind. Either `path` or `text` is there."""

    path: str | None = None
    """Of pictures or of the paths to files."""
    text: str | None = None
    pair: str | None = None
    label: str | None = None
    split: str | None = None
    group: str | None = None
    domain: str | None = None
    ident: str | None = None
    labels: tuple[str, ...] = ()
    """Several columns of labels, where there is one for each label; then `label` is None."""
    rows: bool = False
    """Whether each row is an item, and neither `path` nor `text` is there."""
    inside: str = ""
    """The modality of the cells of `path`, where they are the items themselves."""

    def told(self, names: Sequence[str], origin: str, *, parts: str = "") -> Note:
        """Which of all columns is taken for what, and which are not; `parts` where the splits come from
        elsewhere."""
        taken = {
            modalities.nouns(self.inside)[1] if self.inside else "paths": self.path,
            "texts": self.text,
            "labels": self.label,
            "splits": self.split,
            "groups": self.group,
            "domains": self.domain,
        }
        said = {what: repr(name) for what, name in taken.items() if name}
        if self.labels:
            said["labels"] = ", ".join(map(repr, self.labels))
        if self.pair is not None:
            said["texts"] = f"{self.text!r} and {self.pair!r}"
        if parts and self.split is None:
            said["splits"] = parts
        text = ", ".join(f"{'pairs of ' * (what == 'texts' and self.pair is not None)}{what} from {name}"
                         for what, name in said.items())  # fmt: skip
        known = {*names} if self.rows else {*taken.values(), *self.labels, self.pair, self.ident}
        rest = [name for name in names if name not in known]
        return Note("HS506", origin, text + (f"; not used: {', '.join(map(repr, rest))}" if rest else ""))

    def unread(self, cells: Cells, reading: Reading, origin: str) -> tuple[Note, ...]:
        """A note on columns of texts that were passed over, unless the user has chosen."""
        if self.text is None or reading.text_column is not None:
            return ()
        rest = _prose(cells, {*self.items, self.label, *self.labels, self.split, self.group, self.ident})
        if not rest:
            return ()
        shown = ", ".join(map(repr, rest[:8]))
        return (Note("HS508", origin, f"{shown}: only {self.text!r} is read"),)

    @property
    def items(self) -> tuple[str, ...]:
        """The columns that hold the items."""
        return tuple(name for name in (self.path, self.text, self.pair) if name is not None)


There = Callable[[str], bool]


def find(cells: Cells, reading: Reading, where: str, *, there: There = lambda _: False) -> Columns:
    """The columns to use; `there` tells whether a cell names a file that exists.

    Raises `UnknownName` for a named one that is not there, `DataError` when no items are to be seen, or
    several columns might be the texts or the labels.
    """
    items = find_items(cells, reading, where, there=there)
    if reading.domain == FOLDERS:
        raise BadOption("--domain", FOLDERS, f"the name of a column, of a table such as {where}")
    found, rest = others(cells, reading, items)
    if found.label is None and not found.labels and rest:
        shown = ", ".join(map(repr, rest[:8])) if items.text else ", ".join(rest)
        remedy = "name it with label_column (--label-column)"
        flags = [name for name in rest if name in cells.flags]
        if len(flags) > 1:
            held = "these hold" if flags == rest else f"{', '.join(map(repr, flags[:8]))} hold"
            command = " ".join(shlex.join(["--label-column", name]) for name in flags)
            remedy = f"{held} only 0 and 1: for one label each say {command}; else {remedy}"
        raise DataError(where, f"which column holds the labels: {shown}?", remedy)
    return found


def check_several(kind: str | None, where: str) -> None:
    """Raises `DataError` where several columns of labels were named for another kind of task."""
    wanted = None if kind is None else tasks.get(kind)
    if wanted is not None and (wanted.exclusive or not isinstance(wanted, Labels)):
        problem = f"several label columns are several labels an item, but the task is {kind}"
        raise DataError(where, problem, "name one column, or say task multilabel")


def others(
    cells: Cells, reading: Reading, items: Columns, *, odd: Collection[str] = ()
) -> tuple[Columns, list[str]]:
    """The columns of the items and of splits, groups, labels and ids; and those of which it is not known.

    The only one of these is taken for the labels. `odd` ones hold what no label is.
    """
    names = cells.names
    texts = set() if items.path or items.rows else set(_prose(cells, ()))
    split = reading.split_column or _split_column(cells, items.items)
    kind = ROWS if items.rows else "text"
    if items.text is None and items.path is not None:
        kind = items.inside or modality_of(cells.texts.get(items.path, ()))
    usual = (*GROUPS, *modalities.get(kind).GROUPS)
    group = reading.group_column or named_as(names, usual, {*items.items, split, *texts, *cells.empty})
    taken = {*items.items, split, group, *cells.empty}
    several = reading.label_columns if len(reading.label_columns) > 1 else ()
    label = None if several else next(iter(reading.label_columns), None) or named_as(names, LABELS, taken)
    if label is None and len(reading.known) > 1 and {*reading.known} <= {*cells.flags} - taken:
        several = reading.known  # one column for each label of the model
    has_ids = items.text or items.inside or items.rows
    ident = named_as(names, IDS, {*taken, label, *several}) if has_ids else None
    rest = [name for name in names if name not in taken | texts | {ident, *odd, *cells.pictures}]
    domain = reading.domain or named_as(rest, DOMAINS)
    rest = [name for name in rest if name != domain] if label or several or len(rest) > 1 else rest
    if label is None and len(rest) == 1 and not several:
        label = rest[0]
    found = replace(items, label=label, split=split, group=group, ident=ident, labels=several)
    return replace(found, domain=None if domain == label else domain), rest


def _split_column(cells: Cells, taken: Collection[str | None]) -> str | None:
    """The column that says which part a row belongs to; None where there is none."""
    for usual in SPLITS:
        found = named_as(cells.names, (usual,), taken)
        values = {value.strip().lower() for value in cells.texts.get(found or "", ())}
        if found is not None and (usual == SPLITS[0] or (values and values <= PARTS.keys())):
            return found
    return None


def find_items(  # noqa: PLR0911, PLR0912 (one rule after the other)
    cells: Cells, reading: Reading, where: str, *, there: There = lambda _: False
) -> Columns:
    """The columns that hold the items, and no others. Raises as `find`."""
    for given in reading.columns:
        if given not in cells.names:
            raise UnknownName(f"column (in {where})", given, cells.names)
    if reading.feature_column is not None:
        return Columns(rows=True)
    if reading.path_column is not None:
        return Columns(path=reading.path_column, inside=cells.pictures.get(reading.path_column, ""))
    if reading.text_column is not None and reading.pair_column is not None:
        return Columns(text=reading.text_column, pair=reading.pair_column)
    if reading.text_column is None and reading.pair_column is None:
        if cells.pictures:
            held = _of_pictures(cells, where)
            return Columns(path=held, inside=cells.pictures[held])
        if path := path_by_value(cells):
            return Columns(path=path)
    texts = [reading.text_column] if reading.text_column else recognise_texts(cells, reading)
    path = path_by_name(cells)
    if len(texts) == 1 and path not in (None, texts[0]) and reading.text_column is None:
        shown = cells.texts[path or ""][:3]
        texts = [] if shown and all(map(there, shown)) else texts
    if len(texts) == 1:
        if reading.text_column is None and words_in(texts[0]) > 2 * PROSE_WORDS:
            name = texts[0] if len(texts[0]) <= 40 else f"{texts[0][:40]}..."
            problem = f"its first row does not look like the names of columns ({name!r} is one of them)"
            raise DataError(where, problem, "put a row such as text,label above it")
        return Columns(text=texts[0], pair=reading.pair_column)
    if len(texts) == 2 and reading.pair_column is None and _usual_pair(cells) == tuple(texts):
        return Columns(text=texts[0], pair=texts[1])
    if texts:
        raise DataError(
            where,
            f"which column holds the texts: {', '.join(map(repr, texts[:8]))}?",
            "name it with text_column (--text-column), and for pairs the other with pair_column; "
            "to learn from all columns of each row say --feature-column '*'",
        )
    if path is None and reading.items_only and named_as(cells.names, TEXTS) in cells.empty:
        return Columns(text=named_as(cells.names, TEXTS))  # what is missing is told row by row
    if _holds_rows(cells, reading, path, there):
        return Columns(rows=True)
    if path is None:
        known = ", ".join(cells.names)
        if cells.nested:
            known += f" ({', '.join(map(repr, cells.nested))}: no texts, but lists or records)"
        remedy = "name it with path_column or text_column (--path-column, --text-column)"
        if reading.items_only and _holds_rows(cells, replace(reading, items_only=False), path, there):
            remedy += "; rows of numbers and categories are for fit, check, predict and evaluate alone"
        raise DataError(
            where,
            f"no column of paths to images, and none of texts or images, is recognised among {known}",
            remedy,
        )
    return Columns(path=path)


def _holds_rows(cells: Cells, reading: Reading, path: str | None, there: There) -> bool:
    """Whether nothing but rows can be the items, with columns besides labels, splits, groups and ids."""
    if reading.items_only or reading.text_column or reading.pair_column:
        return False
    if path is not None and (bare(path) not in IDS or any(map(there, cells.texts[path][:3]))):
        return False
    usual, taken = (
        {*LABELS, *SPLITS, *GROUPS, *DOMAINS, *IDS},
        {*reading.columns, *cells.empty, *cells.nested},
    )
    return any(name not in taken and bare(name) not in usual for name in cells.names)


def _of_pictures(cells: Cells, where: str) -> str:
    """The column of pictures; one with a usual name first. Raises `DataError` for several others."""
    held = list(cells.pictures)
    found = named_as(held, PATHS) or held[0]
    if len(cells.pictures) > 1 and bare(found) not in PATHS:
        shown = ", ".join(map(repr, held[:8]))
        raise DataError(
            where, f"which column holds the images: {shown}?", "name it with path_column (--path-column)"
        )
    return found


def kind_of(cells: Cells) -> tuple[str, bool]:
    """(the modality, or "" for a table that holds no items; whether more than a name says so)."""
    if cells.pictures:
        return next(iter(cells.pictures.values())), True
    path = path_by_value(cells)
    if path is not None:
        return modality_of(cells.texts[path]), True
    if recognise_texts(cells, Reading()):
        return "text", True
    return ("image", False) if path_by_name(cells) is not None else ("", False)


def path_by_value(cells: Cells) -> str | None:
    """The column of paths whose values end as those of images or texts do; one with a usual name first."""
    found = [name for name, values in cells.texts.items() if are_files(values)]
    return named_as(found, PATHS) or (found[0] if found else None)


def path_by_name(cells: Cells) -> str | None:
    """The column of paths by its name alone: file names may have no endings."""
    return named_as(list(cells.texts), PATHS)


def modality_of(paths: Sequence[str]) -> str:
    """Of files, by most of their endings; images where those do not tell."""
    found = Counter(modalities.of_ending(suffix_of(path.strip())) for path in paths)
    return next((kind for kind, count in found.items() if kind and count > len(paths) / 2), "image")


def are_files(values: Sequence[str]) -> bool:
    """Whether nearly all end as images or texts do."""
    known = modalities.endings()
    return bool(values) and sum(suffix_of(value.strip()) in known for value in values) / len(values) >= 0.8


def recognise_texts(cells: Cells, reading: Reading) -> list[str]:
    """The column that holds the texts, or both of a pair; several others where it is not clear which.

    First by usual names, then by names with a usual word in them, then by values alone.
    """
    taken = {*reading.columns}
    if reading.pair_column is None and (pair := _usual_pair(cells)) and not taken & {*pair}:
        return list(pair)
    full = [name for name, values in cells.texts.items() if values and name not in taken]
    long = _prose(cells, taken)
    if (known := named_as(full, TEXTS)) is not None:
        return [known]
    for usual in TEXTS:
        for name in long:
            if usual in re.split(r"[^a-z]+", name.lower()):
                return [name]
    return long


def _usual_pair(cells: Cells) -> tuple[str, str] | None:
    full = {bare(name): name for name, values in cells.texts.items() if values}
    long = {bare(name): name for name in _prose(cells, ())}
    for pairs, there in ((PAIRS, full), (LIKELY_PAIRS, long)):
        for one, other in pairs:
            if one in there and other in there:
                return there[one], there[other]
    return None


def _prose(cells: Cells, taken: Collection[str | None]) -> list[str]:
    """The columns whose values have several words and hardly repeat; not those with names of labels."""
    odd = {*SPLITS, *LABELS}
    found = [name for name in cells.texts if name not in taken and bare(name) not in odd]
    return [name for name in found if is_prose(cells.texts[name])]


def is_usual(name: str) -> bool:
    """Whether it is what people call a column."""
    known = (*PATHS, *TEXTS, *LABELS, *SPLITS, *GROUPS, *IDS, *(name for pair in PAIRS for name in pair))
    return bool(bare(name)) and bare(name) in known


def named_as(names: Sequence[str], usual: Sequence[str], taken: Collection[str | None] = ()) -> str | None:
    """The first of the usual names, in the order of `PATHS`, `LABELS`, that is there, but for taken ones."""
    each = ((word, name) for word in usual for name in names)
    return next((name for word, name in each if name not in taken and bare(name) == word), None)
