"""Customer tokens, read by an implementation of JWT that is not ours."""

from __future__ import annotations

import time

import jwt
import pytest

from py_paywall import mint_customer_token

SECRET = "0123456789abcdef" * 2


def read(token: str, secret: str = SECRET) -> dict[str, object]:
    required = {"require": ["sub", "aud", "iat", "exp"]}
    claims: dict[str, object] = jwt.decode(token, secret, algorithms=["HS256"], audience="queue", options=required)  # type: ignore[arg-type]
    return claims


def test_a_token_names_the_customer_the_audience_and_its_end() -> None:
    before = int(time.time())
    token = mint_customer_token("user-17", SECRET)
    after = int(time.time())
    claims = read(token)
    assert set(claims) == {"sub", "aud", "iat", "exp"}
    assert (claims["sub"], claims["aud"]) == ("user-17", "queue")
    issued, ends = claims["iat"], claims["exp"]
    assert isinstance(issued, int)
    assert isinstance(ends, int)
    assert before <= issued <= after
    assert ends - issued == 300
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}


@pytest.mark.parametrize("seconds", [1, 60, 300])
def test_a_token_lives_for_as_long_as_it_is_told(seconds: int) -> None:
    claims = read(mint_customer_token("user-17", SECRET, lifetime_seconds=seconds))
    assert claims["exp"] - claims["iat"] == seconds  # type: ignore[operator]


def test_a_token_is_good_under_its_own_secret_and_audience_alone() -> None:
    token = mint_customer_token("user-17", SECRET)
    with pytest.raises(jwt.InvalidSignatureError):
        read(token, SECRET[::-1])
    with pytest.raises(jwt.InvalidAudienceError):
        jwt.decode(token, SECRET, algorithms=["HS256"], audience="raptor")
    head, claims, signature = token.split(".")
    other = mint_customer_token("user-18", SECRET).split(".")[1]
    with pytest.raises(jwt.InvalidSignatureError):
        read(f"{head}.{other}.{signature}")
    with pytest.raises(jwt.InvalidSignatureError):
        read(f"{head}.{claims}.{'A' * len(signature)}")


def test_a_token_is_over_when_it_says_so() -> None:
    token = mint_customer_token("user-17", SECRET, lifetime_seconds=1)
    deadline = time.monotonic() + 10
    while True:
        try:
            read(token)
        except jwt.ExpiredSignatureError:
            return
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("seconds", [0, 301, 2**32 - 1])
def test_no_token_lives_for_longer_than_five_minutes(seconds: int) -> None:
    with pytest.raises(ValueError, match="1 to 300 seconds"):
        mint_customer_token("user-17", SECRET, lifetime_seconds=seconds)


@pytest.mark.parametrize("seconds", [-1, 2**32])
def test_what_is_no_number_of_seconds_at_all_is_refused(seconds: int) -> None:
    with pytest.raises(OverflowError):
        mint_customer_token("user-17", SECRET, lifetime_seconds=seconds)


@pytest.mark.parametrize("secret", ["", " " * 64, "short", "x" * 31, f"  {'x' * 31}  "])
def test_no_token_is_signed_with_a_weak_secret(secret: str) -> None:
    with pytest.raises(ValueError, match="at least 32 characters") as error:
        mint_customer_token("user-17", secret)
    assert not secret.strip() or secret.strip() not in str(error.value)


@pytest.mark.parametrize("customer", ["", "with space", "é", "x" * 300, "a\nb", "stripe:cus_1", "nul\0"])
def test_what_is_no_customers_id_gets_no_token(customer: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        mint_customer_token(customer, SECRET)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("customer", ["a", 'quote"', "back\\slash", "a/b", "<script>", "x" * 248])
def test_odd_ids_arrive_as_they_are(customer: str) -> None:
    assert read(mint_customer_token(customer, SECRET))["sub"] == customer
