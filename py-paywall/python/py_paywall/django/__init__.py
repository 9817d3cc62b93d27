"""The paywall for Django: a middleware before paths, a decorator before views, and settings that are checked.

```python
INSTALLED_APPS = [..., "py_paywall.django"]
MIDDLEWARE = [..., "django.contrib.auth.middleware.AuthenticationMiddleware", "py_paywall.django.PaywallMiddleware"]
PAYWALL = {
    "MIRROR": "postgresql://app@localhost/app",
    "IDENTITY": "accounts.billing.customer_id",  # called with the request; sync or async
    "DEFAULT_TIER": "pro",
    "EXEMPT": ["/", "/accounts/**", "/static/**"],
}
```

The decision is left in `request.paywall`. Settings that make no sense stop the start: `manage.py check` says what
to mend, and the middleware and the decorator raise `ImproperlyConfigured`.
"""

from py_paywall.django.decorator import require
from py_paywall.django.middleware import PaywallMiddleware

__all__ = ["PaywallMiddleware", "require"]
