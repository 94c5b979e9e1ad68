"""Every reader against damaged and hostile input: see `fuzz.mutate` for the mutator, `test_data` for a table of readers.

To fuzz a reader, add a line to the table `FAMILIES` of the file of its room (`test_data.py` for readers of data; make
one for another room): its name -> how a small good input is made, and what reads it. The rule is in `mutate.check`: what comes
back is a good result, or a `HeadstartError`; nothing else, and within seconds.

200 inputs a family are tried by `make test`; `pytest tests/fuzz --fuzz 20000` tries more, `--fuzz-seed 7` others.
A failure names the family and the number of the input: `--fuzz-only FAMILY:NUMBER` tries that one alone and keeps it.
"""
