"""Requests to addresses that users name: bounded, and never into our own network (SSRF).

The check happens where the connection is made: the name is resolved once, every address is judged, and the
socket goes to a judged address. So neither a redirect nor a name that changes its mind gets past it.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from .errors import InvalidImage, InvalidRequest

MAX_REDIRECTS = 3
_HINT = (
    "Only public http and https addresses are fetched; the server's owner can allow more with ORBITVIEW_ALLOW_HOSTS."
)


_SPECIAL = [ipaddress.ip_network(n) for n in ("192.0.0.0/24", "198.18.0.0/15", "100.64.0.0/10", "fec0::/10")]
"""Ranges that some Python versions take for global."""


class Blocked(httpcore.ConnectError):
    """The address is not one that we connect to."""


def is_public(address: str) -> bool:
    """Whether an IP address lies outside every private, local, shared, reserved or metadata range."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        if ip in ipaddress.ip_network("64:ff9b::/96"):  # NAT64 carries an IPv4 address in its last 32 bits
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    if any(ip in network for network in _SPECIAL if network.version == ip.version):
        return False
    return ip.is_global and not ip.is_multicast


class AddressGuard(httpcore.NetworkBackend):
    """Resolves, judges and connects."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._inner = httpcore.SyncBackend()
        self._names, self._networks = set(), []
        for entry in (e.strip().lower() for e in allowed):
            if not entry:
                continue
            try:
                self._networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                self._names.add(entry)

    def _may(self, host: str, address: str) -> bool:
        ip = ipaddress.ip_address(address.partition("%")[0])
        return (
            host.lower() in self._names
            or any(ip in n for n in self._networks if n.version == ip.version)
            or is_public(address)
        )

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        """Connect to a judged address of ``host``."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} is not known") from error
        addresses = [str(entry[4][0]) for entry in found]
        if not all(self._may(host, address) for address in addresses):
            raise Blocked(f"{host} is not a public address")
        return self._inner.connect_tcp(addresses[0], port, timeout, local_address, socket_options)

    def sleep(self, seconds: float) -> None:
        """For httpcore's own retries."""
        time.sleep(seconds)


class _Transport(httpx.HTTPTransport):
    def __init__(self, guard: AddressGuard) -> None:
        super().__init__(trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False), network_backend=guard, max_keepalive_connections=0
        )


def client(allow_hosts: str = "", seconds: float = 20.0) -> httpx.Client:
    """A client that judges every connection; close it after use."""
    guard = AddressGuard(allow_hosts.split(","))
    return httpx.Client(
        transport=_Transport(guard),
        timeout=httpx.Timeout(seconds, connect=5.0),
        trust_env=False,
        headers={"User-Agent": "orbitview"},
    )


def fetch(url: str, *, allow_hosts: str = "", most: int = 50 * 2**20, seconds: float = 30.0) -> bytes:
    """Download a picture.

    Raises:
        InvalidRequest: the URL is not http(s) or leads somewhere private.
        InvalidImage: it cannot be fetched, or is too large or too slow.
    """
    deadline = time.monotonic() + seconds
    with client(allow_hosts) as session:
        for _ in range(MAX_REDIRECTS + 1):
            try:
                parsed = httpx.URL(url)
                if parsed.scheme not in ("http", "https") or not parsed.host:
                    raise InvalidRequest(
                        "The image URL must start with http:// or https://.", hint=_HINT, field="image"
                    )
                with session.stream("GET", parsed) as response:
                    if response.is_redirect:
                        url = str(parsed.join(response.headers["location"]))
                        continue
                    if response.status_code != 200:
                        raise InvalidImage(
                            f"The image URL answered with status {response.status_code}.",
                            hint="Check that anyone can open it.",
                            field="image",
                        )
                    data = bytearray()
                    for chunk in response.iter_bytes(65536):
                        data += chunk
                        if len(data) > most:
                            raise InvalidImage(
                                f"The image URL gives more than {most // 2**20} MB.",
                                hint="Use a smaller picture.",
                                field="image",
                            )
                        if time.monotonic() > deadline:
                            raise InvalidImage(
                                "The image URL is too slow.", hint="Upload the picture instead.", field="image"
                            )
                    return bytes(data)
            except httpx.InvalidURL as error:
                raise InvalidRequest("The image URL is not a URL.", hint=_HINT, field="image") from error
            except httpx.ConnectError as error:
                if isinstance(error.__cause__, Blocked):
                    raise InvalidRequest(
                        "The image URL leads to an address that is not public.", hint=_HINT, field="image"
                    ) from error
                raise InvalidImage(
                    "The image URL cannot be reached.", hint="Check the address.", field="image"
                ) from error
            except (httpx.HTTPError, ValueError, KeyError) as error:
                raise InvalidImage(
                    "The image URL cannot be fetched.", hint="Check the address.", field="image"
                ) from error
    raise InvalidImage("The image URL redirects too often.", hint="Use the final address.", field="image")
