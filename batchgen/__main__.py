"""`python -m batchgen` and the `batchgen` script."""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit with its code."""
    from batchgen.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
