"""Settings are read once; what cannot be used is named."""

import pytest

from chat_core.settings import DEVELOPMENT_SECRET, BackendName, SettingsError, read

REDIS = {"CHAT_REDIS_URL": "redis://localhost"}
SECRET = "s" * 32


@pytest.mark.parametrize(("backend", "port", "twin"), [("async", 8001, ":8002"), ("sync", 8002, ":8001")])
def test_the_defaults_are_those_of_one_machine(backend: BackendName, port: int, twin: str) -> None:
    settings = read(backend, REDIS)
    assert (settings.host, settings.port, settings.twin) == ("127.0.0.1", port, twin)
    assert settings.on_loopback
    assert settings.secrets == (DEVELOPMENT_SECRET,)


def test_an_empty_value_is_as_good_as_none() -> None:
    assert read("async", REDIS | {"CHAT_PORT": " ", "CHAT_SECRET": "", "CHAT_MAX_TEXT": ""}) == read("async", REDIS)


def test_off_loopback_there_is_a_secret_and_no_twin_by_default() -> None:
    with pytest.raises(SettingsError, match="CHAT_SECRET"):
        read("async", REDIS | {"CHAT_HOST": "0.0.0.0"})
    settings = read("async", REDIS | {"CHAT_HOST": "0.0.0.0", "CHAT_SECRET": SECRET})
    assert (settings.twin, settings.on_loopback) == ("", False)


def test_both_backends_can_be_told_the_same_of_their_twins() -> None:
    environment = REDIS | {"CHAT_TWIN": "/{twin}"}
    assert (read("async", environment).twin, read("sync", environment).twin) == ("/sync", "/async")


def test_lists_are_separated_by_commas() -> None:
    environment = {
        "CHAT_SECRET": f"{SECRET}, {'t' * 32}",
        "CHAT_ALLOWED_ORIGINS": "https://a.example, https://b.example",
    }
    settings = read("async", REDIS | environment)
    assert settings.secrets == (SECRET, "t" * 32)
    assert settings.allowed_origins == ("https://a.example", "https://b.example")


def test_secrets_are_not_shown() -> None:
    assert SECRET not in repr(read("async", REDIS | {"CHAT_SECRET": SECRET}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHAT_REDIS_URL", ""),
        ("CHAT_REDIS_URL", "http://localhost"),
        ("CHAT_PORT", "0"),
        ("CHAT_PORT", "65536"),
        ("CHAT_PORT", "x"),
        ("CHAT_PORT", "8001.0"),
        ("CHAT_PORT", "٣"),
        ("CHAT_SECRET", "short"),
        ("CHAT_SECRET", f"{SECRET},short"),
        ("CHAT_TWIN", "flask.example"),
        ("CHAT_TWIN", ":http"),
        ("CHAT_WORKERS", "0"),
        ("CHAT_THREADS", "17"),
        ("CHAT_WORKER", "eventlet"),
        ("CHAT_SHARDS", "-1"),
        ("CHAT_CONNECTION_RATE", "-1"),
        ("CHAT_CONNECTION_BURST", "0"),
        ("CHAT_HANDSHAKE_TIMEOUT", "0"),
        ("CHAT_COMMAND_RATE", "-1"),
        ("CHAT_COMMAND_RATE", "nan"),
        ("CHAT_COMMAND_BURST", "inf"),
        ("CHAT_MAX_FRAME", "10"),
        ("CHAT_OUTBOX_HARD", "65536"),
        ("CHAT_PING_INTERVAL", "0"),
        ("CHAT_DRAIN_SECONDS", "soon"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_names_the_setting(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read("async", REDIS | {name: value})


@pytest.mark.parametrize(
    ("name", "meant"),
    [("CHAT_HISTROY", "CHAT_HISTORY"), ("CHAT_MAXTEXT", "CHAT_MAX_TEXT"), ("CHAT_SECRETS", "CHAT_SECRET")],
)
def test_a_slip_in_a_name_is_an_error_that_says_what_was_meant(name: str, meant: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is no setting; {meant} is one$"):
        read("async", REDIS | {name: "100"})


def test_names_of_others_are_let_be() -> None:
    others = {"CHAT_SERVICE_HOST": "10.0.0.1", "CHAT_SERVICE_PORT": "80", "CHAT_MONITOR_HOST": "here", "HISTROY": "1"}
    assert read("async", REDIS | others) == read("async", REDIS)
