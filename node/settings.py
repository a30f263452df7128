"""One typed tree of settings: a TOML file, then ``HEPANODE_SECTION__KEY`` variables over it.

Every error names the key, the value it had and what is allowed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from node.addresses import AETitle, Host, Network, Port, is_loopback
from node.errors import SettingsError
from node.urls import broker_url, database_url, service_root, without_password

PREFIX = "HEPANODE_"
ResultKind = Literal[
    "heatmap",
    "segmentation",
    "presentation",
    "summary",
    "document",
    "key-objects",
    "report",
    "rejection",
]


_MONTH = 30 * 24 * 3600
Seconds = Annotated[float, Field(gt=0, le=_MONTH, allow_inf_nan=False)]


def _ascii(value: SecretStr) -> SecretStr:
    """What an HTTP header can hold."""
    if not re.fullmatch(r"[!-~]*", value.get_secret_value()):
        raise ValueError("a token has printable ASCII characters and no space")
    return value


def _device(value: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
        raise ValueError("use auto, cpu, cuda or cuda:N, as cuda:0")
    return value


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Database(Section):
    url: Annotated[str, AfterValidator(database_url)] = Field(
        "", description="SQLAlchemy URL; empty: SQLite in the data folder"
    )


class Broker(Section):
    url: Annotated[str, AfterValidator(broker_url)] = Field(
        "", description="redis:// or amqp:// URL; empty: no broker, all in one process"
    )
    queue: str = Field("hepanode", min_length=1)


class Caller(Section):
    """Who may call: an AE title from an address or network."""

    ae_title: AETitle
    address: Network
    urgent: bool = False


class Receiver(Section):
    ae_title: AETitle = "HEPANODE"
    host: Host = "127.0.0.1"
    port: Port = 11112
    processes: int = Field(2, ge=1, le=64)
    max_associations: int = Field(64, ge=1, description="over all processes")
    max_pdu: int = Field(262144, ge=4096, description="largest PDU the node takes, in bytes")
    acse_timeout: Seconds = Field(30, description="silence while an association is asked for")
    dimse_timeout: Seconds = Field(60, description="silence within a message")
    network_timeout: Seconds = Field(120, description="silence between messages")
    callers: tuple[Caller, ...] = ()

    @model_validator(mode="after")
    def _callers_unless_loopback(self) -> Receiver:
        if self.callers or is_loopback(self.host):
            return self
        raise ValueError(
            f"receiver.host = {self.host!r} listens beyond this machine, but receiver.callers is "
            "empty: list who may call, as [[receiver.callers]] ae_title = 'US1' "
            "address = '10.1.0.0/16'; or set receiver.host = '127.0.0.1'"
        )


class Storage(Section):
    min_free_mib: int = Field(1024, ge=0, description="refuse with 0xA700 when less is free")


class Dispatch(Section):
    quiet_seconds: Seconds = Field(10, description="silence after which a study is complete")
    tick_seconds: Seconds = 0.5
    window: int = Field(4, ge=1, description="published runs that no worker has claimed yet")
    republish_seconds: Seconds = Field(30, description="publish an unclaimed run again after this")
    lease_seconds: Seconds = Field(60, description="a run whose worker is silent this long is dead")
    max_attempts: int = Field(3, ge=1)


class Analysis(Section):
    device: Annotated[str, AfterValidator(_device)] = Field(
        "auto", description="auto, cpu, cuda or cuda:N"
    )
    threads: int = Field(0, ge=0, description="CPU threads; 0: as many as there are cores")
    time_limit: Seconds = Field(900, description="a run that takes longer is killed")
    lesion_bundle: str = Field("lesion-attention", min_length=1)
    fat_bundle: str = Field("fat-multiview", min_length=1)
    joint_bundle: str = Field(
        "lesion-joint",
        min_length=1,
        description="outlines what `hepanode studies segment` points at and suspected lesions",
    )
    dcnn_us_bundle: str = Field(
        "",
        description="reads the malignancy of what was outlined in a box, as lesion-dcnn-us; "
        "empty: not used",
    )
    roi_bundle: str = Field(
        "",
        description="reads the class of what was outlined in a box, as lesion-roi; empty: not used",
    )
    gate_bundle: str = Field(
        "gate", description="refuses frames that show no liver; empty: none is refused"
    )
    # Off: on 160 simulated participants the fat estimate goes with their fat by a Spearman of 0.868
    # with views named by the model, and of 0.895 without; real frames it mostly does not know.
    view_bundle: str = Field(
        "",
        description="names the liver view where DICOM is silent, as view; empty: it is unknown",
    )
    hepatorenal_bundle: str = Field(
        "fat-hepatorenal",
        description="reads the pairs that `hepanode studies hepatorenal` points at",
    )
    fan_liver_bundle: str = Field(
        "fan-liver",
        description="says where a suspected lesion is, which joint_bundle then outlines, as "
        "fan-liver; empty: suspected lesions are not outlined",
    )
    kidney_bundle: str = Field(
        "kidney",
        description="finds the kidney for `hepanode studies hepatorenal --find`; empty: not used",
    )
    bundle_folders: tuple[Path, ...] = ()
    frames_per_cine: int = Field(16, ge=1)
    frames_per_study: int = Field(200, ge=1)
    max_decoded_mib: int = Field(256, ge=1, description="limit on one decoded frame")
    key_frames: int = Field(4, ge=1, description="heatmaps per run and model, at most")
    view_words: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="more words that name a liver view in image text"
    )

    @property
    def bundles(self) -> dict[str, str]:
        """The bundle by what it reads for: the settings that end in ``_bundle`` and name one."""
        suffix = "_bundle"
        return {
            key.removesuffix(suffix): name
            for key in type(self).model_fields
            if key.endswith(suffix) and (name := getattr(self, key))
        }


class Results(Section):
    messages: Annotated[Path | None, BeforeValidator(lambda given: given or None)] = Field(
        None, description="table of `hepanode messages`, translated; empty: English"
    )
    patient_name: bool = Field(
        False, description="name, ID and birth date stand on the summary, as they are in the images"
    )


class Destination(Section):
    """One PACS that results go to: an application entity by C-STORE, a service by STOW-RS."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9_.-]+$")
    ae_title: AETitle = ""
    host: Host = ""
    port: Port = 0
    calling_ae_title: AETitle | None = None
    url: Annotated[str, AfterValidator(service_root)] = Field(
        "", description="root of a DICOMweb service, in place of ae_title, host and port"
    )
    username: str = Field("", description="of the service at url; with a password")
    password: SecretStr = SecretStr("")
    token: Annotated[SecretStr, AfterValidator(_ascii)] = Field(
        SecretStr(""), description="bearer token, in place of username and password"
    )
    ca_file: Path | None = Field(
        None, description="PEM file of who signs the service's certificate; none: public ones"
    )
    kinds: tuple[ResultKind, ...] = ("heatmap", "segmentation", "summary", "report")
    timeout: Seconds = 30
    retry_first: Seconds = 5
    retry_cap: Seconds = 600
    confirm: Literal["auto", "commitment", "query", "none"] = Field(
        "auto",
        description="proof that what was sent is kept: storage commitment, a query, auto: the "
        "first of both that the destination has, or none",
    )
    confirm_wait: Seconds = Field(3600, description="for the answer to a storage commitment")

    @property
    def address(self) -> str:
        """Where it is, for people."""
        return self.url or f"{self.ae_title}@{self.host}:{self.port}"

    @model_validator(mode="after")
    def _one_way_whole(self) -> Destination:
        entity = ("ae_title", "host", "port")
        if missing := [key for key in entity if not self.url and not getattr(self, key)]:
            raise ValueError(
                f"{' and '.join(missing)} missing: a destination has ae_title, host and port, "
                "or the url of a DICOMweb service"
            )
        service = ("username", "password", "token", "ca_file")
        others = (*entity, "calling_ae_title") if self.url else service
        if stray := [key for key in others if getattr(self, key)]:
            why = "has no meaning beside url" if self.url else "belongs to a destination with url"
            raise ValueError(f"{stray[0]} {why}")
        parts = urlsplit(self.url)
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError(
                "url has no user, password or query: username, password, token are keys"
            )
        if bool(self.username) != bool(self.password) or (self.username and self.token):
            raise ValueError("give username and password, both, or token alone")
        if self.url and self.confirm == "commitment":
            raise ValueError("confirm = 'commitment' has no meaning beside url")
        if self.ca_file and parts.scheme != "https":
            raise ValueError("ca_file needs a url that begins with https://")
        return self


class Log(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(BaseSettings):
    """The whole tree; frozen, and valid once it exists."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    data: Path = Path("data")
    database: Database = Database()
    broker: Broker = Broker()
    receiver: Receiver = Receiver()
    storage: Storage = Storage()
    dispatch: Dispatch = Dispatch()
    analysis: Analysis = Analysis()
    results: Results = Results()
    destinations: tuple[Destination, ...] = ()
    log: Log = Log()

    @model_validator(mode="after")
    def _destination_names_differ(self) -> Settings:
        names = [destination.name for destination in self.destinations]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"destinations share the name {twice[0]!r}: give each its own")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_path()))

    @property
    def database_url(self) -> str:
        return self.database.url or f"sqlite:///{(self.data / 'hepanode.sqlite').resolve()}"

    @property
    def bundle_store(self) -> Path:
        """Where `hepanode models install` keeps bundles."""
        return self.data / "bundles"

    @property
    def bundle_folders(self) -> tuple[Path, ...]:
        """Where bundles are searched before the shipped ones: an installed one goes first."""
        return (self.bundle_store, *self.analysis.bundle_folders)

    @property
    def titles(self) -> frozenset[str]:
        """The AE titles of the node: a destination answers to the one that called it."""
        own = {one.calling_ae_title for one in self.destinations if one.calling_ae_title}
        return frozenset({self.receiver.ae_title, *own})

    def destination(self, name: str) -> Destination | None:
        return next((d for d in self.destinations if d.name == name), None)


def toml_path() -> Path | None:
    """The configuration file in force; None: there is only the environment."""
    if path := os.environ.get(PREFIX + "CONFIG"):
        return Path(path)
    return Path("hepanode.toml") if Path("hepanode.toml").is_file() else None


def load(path: Path | None = None) -> Settings:
    """Read the settings from ``path``, else from ``$HEPANODE_CONFIG``, else ``./hepanode.toml``.

    Child processes find the same file: the path is left in ``$HEPANODE_CONFIG``.

    Raises SettingsError naming the file, the key, the value and what is allowed.
    """
    if path is not None:
        os.environ[PREFIX + "CONFIG"] = str(path.resolve())
    source = toml_path()
    if source is not None and not source.is_file():
        raise SettingsError(f"configuration file {source} does not exist")
    _refuse_unknown_variables()
    try:
        return Settings()
    except ValidationError as error:
        where = f"{source}: " if source else ""
        raise SettingsError("\n".join(where + _explain(e) for e in error.errors())) from None
    except ValueError as error:  # malformed TOML, or JSON in a variable
        raise SettingsError(f"{source or 'environment'}: {error}") from None


def _refuse_unknown_variables() -> None:
    """A misspelt ``HEPANODE_SECTION__KEY`` must not be ignored in silence."""
    for name in os.environ:
        if not name.startswith(PREFIX) or "__" not in name:
            continue
        section, key = name.removeprefix(PREFIX).lower().split("__", 1)
        field = Settings.model_fields.get(section)
        known = getattr(field.annotation, "model_fields", None) if field else None
        if known is None or key.split("__")[0] not in known:
            allowed = ", ".join(sorted(known)) if known else ", ".join(Settings.model_fields)
            raise SettingsError(f"environment: {name} names no setting; known here: {allowed}")


def _explain(error: Any) -> str:
    key = ".".join(str(part) for part in error["loc"]) or "configuration"
    message = str(error["msg"]).removeprefix("Value error, ")
    value = without_password(repr(error["input"]))
    unknown = error["type"] == "extra_forbidden"
    of_destination = error["loc"][:1] == ("destinations",)  # a misspelt key may hold a secret too
    if of_destination and (key.endswith(("password", "token")) or unknown):
        value = "***"
    if unknown:
        return f"{key} = {value}: no such key; known here: {_known(error['loc'])}"
    if error["type"] == "missing":
        return f"{key}: missing, and it has no default"
    if isinstance(error["input"], dict | BaseModel):  # a check over a whole section
        return f"{key}: {message}"
    return f"{key} = {value}: {message}"


def _known(location: tuple[str | int, ...]) -> str:
    """The keys allowed beside the one at ``location``."""
    model: Any = Settings
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        arguments = [a for a in getattr(annotation, "__args__", ()) if hasattr(a, "model_fields")]
        model = arguments[0] if arguments else annotation
    return ", ".join(model.model_fields)
