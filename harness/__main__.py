"""Run the command line as ``python -m harness``."""

from harness.cli.app import main

main()
