"""Nobody imports a framework that is not theirs."""

from __future__ import annotations

import subprocess
import sys

import pytest

FRAMEWORKS = {"asgiref", "django", "fastapi", "flask", "httpx", "sentry_sdk", "sqlalchemy", "starlette", "werkzeug"}


@pytest.mark.parametrize(
    ("module", "own"),
    [
        ("py_paywall", set()),
        ("py_paywall.asgi", set()),
        ("py_paywall.wsgi", set()),
        ("py_paywall.fastapi", {"starlette"}),
        ("py_paywall.flask", {"asgiref", "flask", "werkzeug"}),
        ("py_paywall.django", {"asgiref", "django"}),
    ],
)
def test_a_module_imports_its_own_framework_and_no_other(module: str, own: set[str]) -> None:
    program = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) & FRAMEWORKS <= own
