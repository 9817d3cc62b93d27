"""Programs in processes of their own, for what can't be had in the tests' one."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap


def run(program: str, *arguments: str, **environment: str) -> str:
    """What a program prints. It must end by itself, and well."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()
