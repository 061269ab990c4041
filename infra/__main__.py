"""``python -m infra``: the same as ``coatcheck``."""

import sys

from infra.cli import main

sys.exit(main())
