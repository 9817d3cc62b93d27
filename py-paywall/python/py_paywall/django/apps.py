"""The Django application: it has no models, and brings the checks."""

from django.apps import AppConfig
from django.core import checks

from py_paywall.django.checks import check_settings


class PaywallConfig(AppConfig):
    """What `INSTALLED_APPS` names `py_paywall.django`."""

    name = "py_paywall.django"
    label = "py_paywall"
    verbose_name = "Paywall"

    def ready(self) -> None:
        """Has `manage.py check`, and so every start by `manage.py`, look at the settings."""
        checks.register(check_settings, checks.Tags.security)
