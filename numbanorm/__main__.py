"""``python -m numbanorm``: the command line."""

import sys

from numbanorm.cli import main

sys.exit(main())
