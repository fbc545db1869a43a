"""``python -m ctcpmon``: the command line, nothing else."""

from ctcpmon.cli import main

if __name__ == "__main__":
    main()
