"""`python -m rheostat` is the command `rheostat`."""

from rheostat.cli import main

main()
