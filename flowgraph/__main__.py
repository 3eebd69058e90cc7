"""``python -m flowgraph``."""

from flowgraph.cli import main

if __name__ == "__main__":
    main()
