"""Requests to addresses that users name: bounded, and never into our own network (SSRF).

The check happens where the connection is made: the name is resolved once, every address is judged, and the
socket goes to a judged address. So neither a redirect nor a name that changes its mind gets past it. One deadline
holds for a whole exchange, however slowly the other side drips; no compressed answer is unpacked.
"""

from __future__ import annotations

import ipaddress
import math
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore
import httpx

from .errors import InvalidImage, InvalidRequest

MAX_REDIRECTS = 3
_HINT = (
    "Only public http and https addresses are fetched; the server's owner can allow more with ORBITVIEW_ALLOW_HOSTS."
)


_SPECIAL = [
    ipaddress.ip_network(n)
    for n in (
        *("192.0.0.0/24", "198.18.0.0/15", "100.64.0.0/10", "fec0::/10"),
        *("::/96", "64:ff9b:1::/48", "3fff::/20", "100::/64", "2001:db8::/32", "5f00::/16"),
    )
]
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


class Stopped(httpcore.NetworkError):
    """Nobody wants the answer any more."""


class Limit:
    """One deadline for a whole exchange, and a way to break it off.

    Args:
        seconds: for everything: connecting, headers, body, redirects.
        wanted: asked every half second; False ends the exchange.
    """

    def __init__(self, seconds: float, wanted: Callable[[], bool] = lambda: True) -> None:
        self._end, self._wanted = time.monotonic() + seconds, wanted
        self._asked = -math.inf

    def left(self) -> float:
        """Seconds left.

        Raises:
            httpcore.ReadTimeout: none is.
            Stopped: the answer is not wanted any more.
        """
        now = time.monotonic()
        if now - self._asked >= 0.5:
            self._asked = now
            if not self._wanted():
                raise Stopped("not wanted any more")
        left = self._end - now
        if left <= 0:
            raise httpcore.ReadTimeout("the deadline has passed")
        return left


class _Bounded(httpcore.NetworkStream):
    """A stream whose every read and write ends with the limit."""

    def __init__(self, inner: httpcore.NetworkStream, limit: Limit) -> None:
        self._inner, self._limit = inner, limit

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        while True:
            try:
                return self._inner.read(max_bytes, min(0.5, self._limit.left()))
            except httpcore.ReadTimeout:
                self._limit.left()

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._limit.left())

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Bounded(self._inner.start_tls(ssl_context, server_hostname, self._limit.left()), self._limit)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class AddressGuard(httpcore.NetworkBackend):
    """Resolves, judges and connects."""

    def __init__(self, allowed: Iterable[str] = (), limit: Limit | None = None) -> None:
        self._inner = httpcore.SyncBackend()
        self._limit = limit or Limit(30.0)
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
        failed: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in dict.fromkeys(addresses):
            patience = min(5.0, self._limit.left())
            try:
                stream = self._inner.connect_tcp(address, port, patience, local_address, socket_options)
                return _Bounded(stream, self._limit)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed

    def sleep(self, seconds: float) -> None:
        """For httpcore's own retries."""
        time.sleep(seconds)


class _Transport(httpx.HTTPTransport):
    def __init__(self, guard: AddressGuard) -> None:
        super().__init__(trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False), network_backend=guard, max_keepalive_connections=0
        )


def client(allow_hosts: str = "", limit: Limit | None = None) -> httpx.Client:
    """A client that judges every connection and keeps to one limit; close it after use.

    It asks for no compression. What comes compressed all the same must not be read but raw: a few kilobytes can
    stand for gigabytes.
    """
    guard = AddressGuard(allow_hosts.split(","), limit)
    return httpx.Client(
        transport=_Transport(guard),
        timeout=None,  # the limit bounds every read and write
        trust_env=False,
        headers={"User-Agent": "orbitview", "Accept-Encoding": "identity"},
    )


def fetch(
    url: str,
    *,
    allow_hosts: str = "",
    most: int = 50 * 2**20,
    seconds: float = 30.0,
    wanted: Callable[[], bool] = lambda: True,
) -> bytes:
    """Download a picture.

    Args:
        most: bytes.
        seconds: for the whole exchange, redirects included.
        wanted: asked every half second; False ends the download.

    Raises:
        InvalidRequest: the URL is not http(s) or leads somewhere private.
        InvalidImage: it cannot be fetched, is too large or too slow, comes compressed, or is not wanted any more.
    """
    with client(allow_hosts, Limit(seconds, wanted)) as session:
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
                    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
                        raise InvalidImage(
                            "The image URL gives its picture compressed, though it was asked not to.",
                            hint="Upload the picture instead.",
                            field="image",
                        )
                    data = bytearray()
                    for chunk in response.iter_raw():
                        data += chunk
                        if len(data) > most:
                            raise InvalidImage(
                                f"The image URL gives more than {most // 2**20} MB.",
                                hint="Use a smaller picture.",
                                field="image",
                            )
                    return bytes(data)
            except httpx.InvalidURL as error:
                raise InvalidRequest("The image URL is not a URL.", hint=_HINT, field="image") from error
            except httpx.TimeoutException as error:
                raise InvalidImage(
                    "The image URL is too slow.", hint="Upload the picture instead.", field="image"
                ) from error
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
