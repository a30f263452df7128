"""The Dockerfile, read without a Docker engine: files, commands, users and packages."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from node.settings import Settings
from tests.deploy.files import (
    DEPLOY,
    ROOT,
    assert_hepanode_command,
    dockerfile,
    hepanode_in_shell,
    load,
    stages,
)

IMAGES = ("receiver", "worker")
PACKAGES = DEPLOY / "packages"


def copied() -> set[str]:
    """What the build takes from the repository."""
    sources: set[str] = set()
    for instruction, argument in dockerfile():
        if instruction == "COPY" and not argument.startswith("--from="):
            sources.update(argument.split()[:-1])
    return sources


def lock() -> set[str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return {line.partition("==")[0] for line in lines if "==" in line}


def names(file: str) -> set[str]:
    return set((PACKAGES / file).read_text().split())


def needed(requirements: Iterable[str], without: frozenset[str] = frozenset()) -> set[str]:
    """The packages that ``requirements`` draw in, by what the installed ones say of themselves."""
    extras: dict[str, set[str]] = {}
    todo = [Requirement(one) for one in requirements]
    while todo:
        one = todo.pop()
        name = canonicalize_name(one.name)
        known = extras.setdefault(name, set())
        if name in without or (known >= (wanted := {"", *one.extras})):
            continue
        known |= wanted
        todo += [
            inner
            for inner in map(Requirement, requires(name) or ())
            if inner.marker is None or any(inner.marker.evaluate({"extra": e}) for e in wanted)
        ]
    return set(extras) - without


def dependencies() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return list(project["dependencies"])


def test_every_copied_file_is_in_the_repository() -> None:
    assert {one for one in copied() if not (ROOT / one).exists()} == set()


def test_the_build_context_lets_every_copied_file_in() -> None:
    kept = {
        line[1:]
        for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    outside = {one for one in copied() if not any(f"{one}/".startswith(f"{k}/") for k in kept)}
    assert outside == set()


def test_build_stages_are_defined_before_they_are_used() -> None:
    known: set[str] = set()
    for instruction, argument in dockerfile():
        if instruction == "FROM":
            parent, _, name = argument.partition(" AS ")
            assert parent in known or parent.startswith("python:3.11-slim")
            known.add(name)
        if found := re.match(r"--from=(\S+)", argument):
            assert found[1] in known


@pytest.mark.parametrize("image", IMAGES)
def test_images_run_commands_of_the_program_as_an_ordinary_user(image: str) -> None:
    instructions = dict(stages()[image])
    assert_hepanode_command(json.loads(instructions["CMD"]))
    assert_hepanode_command(hepanode_in_shell(instructions["HEALTHCHECK"].partition("CMD ")[2]))
    user, _, group = instructions["USER"].partition(":")
    assert int(user) > 0
    assert int(group) > 0


def test_image_environment_is_a_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        name: value
        for instruction, argument in dockerfile()
        if instruction == "ENV"
        for name, value in re.findall(r"(\w+)=(\S+)", argument)
    }
    settings = load(monkeypatch, None, given)
    assert settings.data.as_posix() == dict(stages()["worker"])["VOLUME"]
    assert not [name for name in given if re.search("PASSWORD|SECRET|TOKEN", name)]


def test_exposed_port_is_the_default_one() -> None:
    default = Settings.model_fields["receiver"].default
    assert int(dict(stages()["receiver"])["EXPOSE"]) == default.port


@pytest.mark.parametrize("file", ["not-in-images.txt", "not-in-receiver.txt"])
def test_packages_left_out_are_in_the_lock_file(file: str) -> None:
    assert names(file) - lock() == set(), f"remove these from deploy/packages/{file}"


def test_worker_image_has_every_dependency() -> None:
    missing = needed(dependencies()) - (lock() - names("not-in-images.txt"))
    assert missing == set(), "remove these from deploy/packages/not-in-images.txt"


def test_receiver_image_is_whole_and_has_no_torch() -> None:
    installed = lock() - names("not-in-images.txt") - names("not-in-receiver.txt")
    left_out = frozenset(names("not-in-receiver.txt"))
    assert needed(dependencies(), left_out) - installed == set()
    heavy = {n for n in installed if re.match("torch|triton|nvidia-|cuda-", n)}
    assert heavy == set(), "add these to deploy/packages/not-in-receiver.txt"
