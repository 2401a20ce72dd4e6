"""``python -m rigline``: the command, where its script is not on the path."""

from rigline.cli import main

if __name__ == "__main__":
    main()
