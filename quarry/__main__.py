"""`quarry`, and `python -m quarry`."""

import sys


def main() -> int:
    """Run the command line; returns the exit code."""
    try:
        # Here, since Ctrl-C may come as early as this.
        from quarry.cli import main as run

        return run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
