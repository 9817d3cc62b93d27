"""A paywall for Python web applications: `402 Payment Required` unless a row in a local mirror allows.

It never calls Stripe, and when it does not know, it stays closed. `py_paywall.asgi` and `py_paywall.wsgi` stand
in front of any application; `py_paywall.fastapi`, `py_paywall.flask` and `py_paywall.django` fit into theirs.
"""

from importlib.metadata import version

from py_paywall._mirror import Mirror
from py_paywall._native import Decision, Gate, Problem, mint_customer_token
from py_paywall._paywall import Paywall

__version__ = version("py-paywall")

__all__ = ["Decision", "Gate", "Mirror", "Paywall", "Problem", "__version__", "mint_customer_token"]
