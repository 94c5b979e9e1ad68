"""The files of a bundle: what each holds, how they are read and checked, and put in place at once."""
