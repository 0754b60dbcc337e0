"""All settings, read once from the environment (``ORBITVIEW_*``)."""

from __future__ import annotations

import ipaddress
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from .errors import InvalidRequest


class Settings(BaseSettings):
    """Each field is set by ``ORBITVIEW_`` and its name in capitals, for instance ``ORBITVIEW_PORT=9000``."""

    model_config = SettingsConfigDict(env_prefix="ORBITVIEW_", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on; anything but loopback needs an API key.")
    port: int = Field(8000, ge=1, le=65535, description="Port to listen on.")
    data_dir: Path = Field(
        Path("orbitview-data"), description="Where the database and the files of a single machine live."
    )
    database_url: str = Field("", description="postgresql://… for a fleet; empty for a SQLite file in data_dir.")
    storage_url: str = Field("", description="s3://bucket/prefix; empty for a folder in data_dir.")
    s3_endpoint: str = Field("", description="Endpoint of an S3-compatible store that is not AWS.")
    public_url: str = Field("", description="Base of the links that we hand out; empty for http://host:port.")
    files_url: str = Field("", description="Base URL of public files in S3; empty for presigned links.")
    proxy_url: str = Field("", description="Second base URL, for proxy_links.")
    compatible_wait: float = Field(15.0, description="Seconds that the hosted-compatible routes wait for the result.")
    real_status: bool = Field(
        False, description="Real HTTP status codes on the hosted-compatible routes instead of 200."
    )
    max_body_mb: int = Field(64, description="Largest request body.")
    max_queue: int = Field(500, description="Jobs that may wait before new ones are refused.")
    job_timeout: float = Field(600.0, description="Seconds after which a running job is stopped.")
    retention_days: float = Field(7.0, description="Days that results are kept.")
    keep_scenes: bool = Field(
        True, description="Keep each job's object (about 3 MB), so that further files can be made of it later."
    )
    allow_hosts: str = Field(
        "", description="Comma-separated hosts or networks that outgoing requests may reach though private."
    )
    cors_origins: str = Field("", description="Comma-separated origins that browsers may call from; * for all.")
    worker: str = Field("local", description="Name of this worker; unique in a fleet and stable across restarts.")
    weights_dir: Path = Field(Path("~/.cache/orbitview"), description="Where weights of further engines lie.")
    model_memory_gb: float = Field(0, ge=0, description="Memory for warm models; 0: most of the GPU's, else 12 GB.")
    precision: Literal["auto", "float16", "bfloat16", "float32"] = Field(
        "auto", description="Of diffusion engines; auto: float16 on a GPU."
    )
    compile: bool = Field(False, description="torch.compile for zero123plus: slow first jobs, faster ones after.")
    batch: int = Field(
        8, ge=1, le=64, description="Jobs that run together on a GPU, for engines that can; those of all keys share."
    )
    offload: bool = Field(False, description="Keep diffusion weights in main memory: slower, less GPU memory.")
    triposr_resolution: int = Field(256, ge=32, le=512, description="Cells along TripoSR's cube.")
    worker_timeout: float = Field(
        45.0, gt=0, description="Seconds without a sign of life after which a worker's jobs go to the others."
    )
    webhook_secret: str = Field(
        "", description="whsec_…: signs webhooks of the open server (with keys, each key has its own)."
    )
    metrics: Literal["key", "open", "off"] = Field(
        "key", description="Who may read /metrics once keys exist: any key (read-only too), everybody or nobody."
    )
    docs: Literal["open", "off"] = Field("open", description="off: no /docs, /redoc and /openapi.json.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severity that is logged."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="json, text, or auto: text at a terminal, else json."
    )

    @cached_property
    def database(self) -> str:
        """SQLAlchemy URL of the one database."""
        if self.database_url:
            return self.database_url.replace("postgres://", "postgresql://", 1)
        return f"sqlite:///{self.data_dir.resolve() / 'orbitview.db'}"

    @cached_property
    def base_url(self) -> str:
        """Base of our own links, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    @cached_property
    def on_loopback(self) -> bool:
        """Whether the server listens to this machine alone."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def load_settings(**given: object) -> Settings:
    """Settings from the environment and from what was ``given`` and is not None; the data folder is made.

    Raises:
        InvalidRequest: a value is impossible, or the folder cannot be written to.
    """
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "?"
        raise InvalidRequest(
            f"{first['input']!r} is no value for {name}: {first['msg'][:1].lower()}{first['msg'][1:]}.",
            hint=f"Set ORBITVIEW_{name.upper()} or --{name.replace('_', '-')}.",
            field=name,
        ) from error
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=settings.data_dir):
            pass
    except OSError as error:
        raise InvalidRequest(
            f"{settings.data_dir} cannot be used as data folder: {error.strerror or error}.",
            hint="Choose another with --data-dir or ORBITVIEW_DATA_DIR.",
            field="data_dir",
        ) from error
    return settings
