"""`python -m postroom` is the command `postroom`."""

import sys

from postroom.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
