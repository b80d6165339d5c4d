"""How a loader works inside: batches are fetched (fetch), put together (collate), and brought from workers (worker,
channel, transport)."""

import sys

IS_WINDOWS = sys.platform == "win32"
MP_STATUS_CHECK_INTERVAL = 5.0  # seconds after which either side looks whether the other is still alive
HAS_NUMPY = True

from . import collate, fetch, pin_memory, worker
