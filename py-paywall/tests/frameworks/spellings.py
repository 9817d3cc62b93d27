"""Other spellings of paths, as an attacker would try them, from a seed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Paths that the applications of the tests route to something.
PATHS = [
    "/health",
    "/public/logo.png",
    "/reports",
    "/reports/",
    "/reports/daily",
    "/reports/7",
    "/reports/archive/2026/12",
    "/sub/data",
    "/sub/health",
    "/public/../reports/daily",
    "/reports/../health",
    "/health/reports",
]

#: What may stand where a slash does.
_SLASHES = [
    "//", "///", "/./", "/x/../", "/%2e/", "/x/%2e%2e/", "/health/../", "/public/%2E%2e/", "/..;/", "/.;/",
    "/public/..%2f", "%2f", "%2F", "%252f", "\\", "%5c", "/%5c../", "/%00/", "/;x=1/", "/%2e%2e%2f", "/..%c0%af", "/\t",
    "%ef%bc%8f", "%e2%88%95",
]  # fmt: skip

#: What may follow a path.
_ENDS = [
    "/", "//", "?", "?/health", "?x=/health", ";/health", ";x=1", "%3b/health", "/.", "/..", "/%2e", "/%2e%2e",
    "/%zz", "/%ff", "%ff", "%00", "%0a", "%0d", "%0d%0a", "%250a", "%0b", "%20", "%09", "%c2%85", "%e2%80%a8",
    "#", "%23",
    "#/health", "%3f", "%3F/health", ".", "..", ".json", "%", "%2", "/%", "\\", "%5c", "é", "%c3%a9", "\udcff",
    "*", "/*",
    "/" + "a" * 3000, "/../" * 200, "/%2e%2e" * 200, "&", "+", "%2b", "~", "%7e",
]  # fmt: skip

#: What may stand before one.
_BEGINNINGS = [
    "http://elsewhere.example", "https://x:443", "//elsewhere.example", "//", "/.", "/..", "/%2e%2e", "/health/..",
    "/public/../", "/\\", "\\", "http:", "/http://elsewhere.example", "/app", "/sub", "/sub/..", "/APP", "/app/app",
    "/%61pp", "/app/../", "/;", "/%00",
]  # fmt: skip


def _at(path: str, chance: random.Random, change: Callable[[str], str], wanted: Callable[[str], bool]) -> str:
    places = [place for place, character in enumerate(path) if wanted(character)]
    if not places:
        return path
    place = chance.choice(places)
    return path[:place] + change(path[place]) + path[place + 1 :]


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def _change(path: str, chance: random.Random) -> str:
    match chance.randrange(10):
        case 0:
            return _at(path, chance, _escaped, lambda _: True)
        case 1:
            return _at(path, chance, lambda character: _escaped(character).upper(), lambda _: True)
        case 2:
            return _at(path, chance, lambda character: _escaped(character).replace("%", "%25"), lambda _: True)
        case 3 | 4:
            return _at(path, chance, lambda _: chance.choice(_SLASHES), lambda character: character == "/")
        case 5:
            return _at(path, chance, str.upper, str.islower)
        case 6 | 7:
            return path + chance.choice(_ENDS)
        case 8:
            return chance.choice(_BEGINNINGS) + path
        case _:
            return "".join(_escaped(character) if chance.random() < 0.5 else character for character in path)


def spellings(seed: int, count: int) -> list[str]:
    """So many spellings: the paths, every end and beginning of each, and then changed up to three times."""
    chance = random.Random(seed)
    found = dict.fromkeys(PATHS)
    found.update(dict.fromkeys(path + end for path in PATHS for end in _ENDS))
    found.update(dict.fromkeys(beginning + path for path in PATHS for beginning in _BEGINNINGS))
    while len(found) < count:
        path = chance.choice(PATHS)
        for _ in range(chance.randint(1, 3)):
            path = _change(path, chance)
        found[path] = None
    # What ends a request line is the attacker's way into another request, and no path.
    return [path for path in found if not any(character in path for character in " \r\n")]


#: Headers with which clients and proxies say where a request was to go. None of them is an identity or a path.
SPOOFED: list[dict[str, str]] = [
    {},
    {"Host": "health"},
    {"Host": "elsewhere.example"},
    {"X-Forwarded-Prefix": "/health"},
    {"X-Forwarded-Host": "elsewhere.example", "X-Forwarded-Path": "/health"},
    {"X-Original-URL": "/health", "X-Rewrite-URL": "/health"},
    {"X-Script-Name": "/reports", "Script-Name": "/reports"},
    {"Path-Info": "/health", "Raw-Uri": "/health", "Request-Uri": "/health"},
    {"X-HTTP-Method-Override": "OPTIONS"},
    {"Forwarded": "for=127.0.0.1;host=health"},
]
