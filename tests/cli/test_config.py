"""Configuration and database: what is wrong is named, what is right is shown."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from node import settings
from tests.cli.conftest import Node
from tests.languages import write_table

ENTITY = "ae_title = 'A'\nhost = 'h'\nport = 1"


def _destination(keys: str) -> str:
    return f"[[destinations]]\nname = 'a'\n{keys}"


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("receiver.prot = 104", ["receiver.prot", "104", "known here", "port"]),
        ("receiver.port = 70000", ["receiver.port", "70000", "65535"]),
        ("log.level = 'loud'", ["log.level", "loud", "'debug', 'info', 'warning' or 'error'"]),
        ("analysis.device = 'gpu'", ["analysis.device", "'gpu'", "cpu, cuda or cuda:N"]),
        ("analysis.device = 'cuda:x'", ["analysis.device", "'cuda:x'", "cuda:N"]),
        ("analysis.lesion_bundle = 'nope'", ["analysis.lesion_bundle", "nope", "lesion-attention"]),
        ("analysis.fat_bundle = ''", ["analysis.fat_bundle", "at least 1 character"]),
        (
            "[analysis.view_words]\n'hepatic vein' = ['x']",
            ["analysis.view_words", "'hepatic vein'", "liver/kidney"],
        ),
        ("database.url = 'postgres://u@h/d'", ["database.url", "postgres://", "postgresql://"]),
        ("database.url = 'mysql://u@h/d'", ["database.url", "mysql://", "sqlite:///"]),
        ("database.url = 'postgresql://u@h:x/d'", ["database.url", "h:x", "postgresql://"]),
        ("broker.url = 'kafka://h'", ["broker.url", "kafka://h", "redis://", "amqp://"]),
        ("dispatch.lease_seconds = inf", ["dispatch.lease_seconds", "inf", "finite"]),
        ("dispatch.quiet_seconds = nan", ["dispatch.quiet_seconds", "nan"]),
        (
            "[[destinations]]\nname = 'a'\nae_title = 'A'\nhost = ''\nport = 1",
            ["destinations.0.host", "''", "at least 1"],
        ),
        ("receiver.host = '0.0.0.0'", ["receiver.host", "0.0.0.0", "receiver.callers"]),
        (_destination("host = 'h'"), ["destinations.0", "ae_title and port missing", "url"]),
        (_destination("url = 'https://h'\nport = 1"), ["destinations.0: port", "beside url"]),
        (_destination("url = 'https://h'\ncalling_ae_title = 'A'"), ["calling_ae_title has no"]),
        (_destination(f"{ENTITY}\ntoken = 't'"), ["token belongs to a destination with url"]),
        (_destination("url = 'ftp://h'"), ["destinations.0.url", "ftp://h", "https://"]),
        (_destination("url = 'https:///web'"), ["destinations.0.url", "https://host/dicom-web"]),
        (_destination("url = 'https://h'\nusername = 'u'"), ["username and password, both"]),
        (
            _destination("url = 'https://h'\nusername = 'u'\npassword = 'p'\ntoken = 't'"),
            ["token alone"],
        ),
        (_destination("url = 'http://h'\nca_file = 'ca.pem'"), ["ca_file needs", "https://"]),
        (_destination("url = 'http://h'\nconfirm = 'commitment'"), ["no meaning beside url"]),
        ("results.messages = '/none/de.po'", ["results.messages", "/none/de.po", "No such file"]),
    ],
)
def test_a_wrong_setting_names_key_value_and_what_is_allowed(
    node: Node, line: str, named: list[str]
) -> None:
    node.config.write_text(line)
    answer = node("config", "check")
    assert answer.status == 2
    assert "Traceback" not in answer.err
    for part in [str(node.config), *named]:
        assert part in answer.err


@pytest.mark.parametrize(
    "line",
    ["database.url = 'mysql://u:secret@h/d'", "database.urll = 'postgresql://u:sec@ret@h/d'"],
)
def test_a_wrong_url_is_shown_without_its_password(node: Node, line: str) -> None:
    node.config.write_text(line)
    answer = node("config", "check")
    assert answer.status == 2
    assert "u:***@h/d" in answer.err
    assert "sec" not in answer.err


@pytest.mark.parametrize(
    "keys",
    [
        "url = 'https://h/'\npasswort = 'hush'",
        "url = 'https://h/'\npassword = 'hush'",
        "url = 'https://h/'\nusername = 'u'\npassword = ['hush']",
        "url = 'https://h/'\ntoken = 'hu sh hush'",
        "url = 'https://u:hush@h/'",
        "url = 'https://hush@h/'",
        "url = 'https://h/?token=hush'",
        f"{ENTITY}\npassword = 'hush'",
    ],
)
def test_no_error_shows_a_secret_of_a_destination(node: Node, keys: str) -> None:
    node.config.write_text(_destination(keys))
    answer = node("config", "check")
    assert answer.status == 2
    assert "destinations.0" in answer.err
    assert "hush" not in answer.err


def test_a_worker_does_not_start_with_a_name_that_it_does_not_know(node: Node) -> None:
    node.config.write_text("[analysis.view_words]\n'hepatic vein' = ['x']")
    for part in ("worker", "up"):
        answer = node(part)
        assert answer.status == 2
        assert "analysis.view_words = 'hepatic vein'" in answer.err


def test_a_right_configuration_is_called_ok(node: Node) -> None:
    assert node("config", "check").out == f"{node.config}: ok\n"


def test_a_language_of_results_is_said_with_how_much_of_it_there_is(
    node: Node, tmp_path: Path
) -> None:
    table = write_table(tmp_path / "de.po", {"not reviewed": "nicht geprüft"})
    node.config.write_text(f"results.messages = '{table}'")
    answer = node("config", "check")
    assert answer.status == 0
    assert re.search(r"results speak German: 1 of \d{3} messages, the others English", answer.out)


def test_a_missing_configuration_file_is_named(node: Node) -> None:
    node.config.unlink()
    answer = node("studies", "list")
    assert answer.status == 2
    assert f"configuration file {node.config} does not exist" in answer.err


def test_values_are_shown_with_their_source_and_without_passwords(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEPANODE_BROKER__URL", "redis://user:p%40ss@10.0.0.5/1")
    monkeypatch.setenv("HEPANODE_DATABASE__URL", "postgresql:///node?user=n&password=hidden")
    answer = node("config", "show", "--json")
    shown = {entry["key"]: (entry["value"], entry["source"]) for entry in answer.json}
    assert shown["broker.url"] == ("redis://user:***@10.0.0.5/1", "HEPANODE_BROKER__URL")
    assert shown["dispatch.quiet_seconds"] == (0.5, "file")
    assert shown["receiver.ae_title"] == ("HEPANODE", "default")
    assert shown["destinations[0].name"] == ("pacs", "file")
    text = node("config", "show").out
    for secret in ("p%40ss", "hidden"):
        assert secret not in answer.out + text


def test_a_service_is_shown_without_its_secrets(node: Node) -> None:
    node.config.write_text(
        _destination("url = 'https://h:8042/web/'\nusername = 'u'\npassword = 'secret'")
        + "\n[[destinations]]\nname = 'b'\nurl = 'http://b'\ntoken = 'secret'"
    )
    assert node("config", "check").status == 0
    text, answer = node("config", "show").out, node("config", "show", "--json")
    shown = {entry["key"]: entry["value"] for entry in answer.json}
    assert shown["destinations[0].url"] == "https://h:8042/web"
    assert shown["destinations[0].username"] == "u"
    assert set(shown["destinations[0].password"]) == {"*"}
    assert "secret" not in text + answer.out + repr(settings.load(node.config))


def test_reading_never_makes_a_database_and_upgrade_does(node: Node) -> None:
    answer = node("studies", "list")
    assert answer.status == 1
    assert "hepanode db upgrade" in answer.err
    assert not (node.config.parent / "data").exists()
    assert "empty -> " in node("db", "upgrade").out
    assert "already at schema" in node("db", "upgrade").out
    assert node("studies", "list").status == 0


def test_config_is_taken_before_the_noun_too(node: Node, tmp_path: object) -> None:
    command = [sys.executable, "-m", "node.cli", "--config", str(node.config), "config", "check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.stdout == f"{node.config}: ok\n"


def test_listing_imports_neither_torch_nor_celery(node: Node) -> None:
    node("db", "upgrade")
    code = (
        "import sys; sys.argv = ['hepanode', 'studies', 'list', '--config', sys.argv[1]]\n"
        "from node.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 0, end\n"
        "print(sorted({'torch', 'celery', 'highdicom', 'scipy', 'alembic'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(node.config)], capture_output=True, text=True, timeout=30
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
