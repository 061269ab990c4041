"""``python -m worker_image``: the container's main process."""

import sys

from worker_image.pool import main

sys.exit(main())
