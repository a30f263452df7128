"""``python -m node.cli``: how the node starts its own parts, wherever it is installed."""

from node.cli import main

main()
