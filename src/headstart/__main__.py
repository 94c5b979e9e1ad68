"""`python -m headstart`, and the command `headstart`."""

import os
import sys


def main() -> None:
    """The command line. Ctrl-C while it is still being imported is no traceback either."""
    try:
        from headstart.core.environment import waiting

        os.environ.update(waiting())
        from headstart.cli import main as command
    except KeyboardInterrupt:
        sys.stderr.write("headstart: stopped\n")
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()
