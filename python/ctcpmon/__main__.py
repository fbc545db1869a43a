"""``python -m ctcpmon``: the command line, nothing else."""

from ctcpmon.start import main

if __name__ == "__main__":
    main()
