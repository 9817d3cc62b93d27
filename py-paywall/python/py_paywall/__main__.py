"""``python -m py_paywall``."""

import sys

from py_paywall.cli import main

sys.exit(main())
