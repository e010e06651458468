"""A picture behind an address: fetched because its owner says so, and within bounds."""

import http.client
import ipaddress
import re
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from .. import settings
from ..errors import BadFile

_LARGEST = 1 << 26  # bytes of a file, of what servers say around it, and of redirects
_PATIENCE = 10.0  # seconds to connect, and to wait for the next bytes
_LONGEST = 60.0  # seconds for all of them, and for all redirects
_REDIRECTS = 5
_KINDS = ("image/", "application/octet-stream", "binary/octet-stream")
_PLAIN = "/?%:@!$&'()*+,;=~"  # letters of addresses that stay as they are, beside those that `quote` leaves
_CHUNK = 1 << 16
_ALLOCATED = ipaddress.IPv6Network("2000::/3")  # to the public; IANA, IPv6 Address Space
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")  # an IPv4 address in the last 32 bits; RFC 6052, 2.1


@dataclass(frozen=True)
class Url:
    """The https address of a picture, to be passed as any picture; it is fetched each time it is read.

    An address as a mere text is refused: nothing is fetched unless this class says so. At most 67 million bytes come,
    within a minute, of a picture by its content type, over https alone, and from no address of this machine or of the
    network around it, wherever a server may redirect to. Proxies are not asked.

    Args:
        address: ``https://…``

    >>> net.classify(Url("https://example.com/owl.jpg"))  # doctest: +SKIP
    """

    address: str

    def __str__(self) -> str:
        return self.address

    @property
    def name(self) -> str:
        """The file's name in the address, of letters, digits, dots and dashes."""
        last = re.split("[?#]", self.address)[0].rstrip("/").rpartition("/")[2]
        return re.sub(r"[^\w.-]", "_", last).lstrip(".") or "picture"

    def fetch(self) -> bytes:
        """Return the file.

        Raises:
            BadFile: the address is refused, nobody answers, or what comes is no picture or too large.
        """
        if settings.offline():
            raise BadFile(f"{self} was not fetched: UNDERONE_OFFLINE forbids the network")
        try:
            return _follow(self.address)
        except (OSError, ValueError, http.client.HTTPException) as error:  # ssl's errors are OSError
            raise BadFile(f"{self} was not fetched: {getattr(error, 'strerror', None) or error}") from error


class _Bounds:
    """What is left of the time and of the bytes of one fetch.

    Both end it by an OSError: http.client takes a ValueError while it reads for a damaged chunk.
    """

    def __init__(self) -> None:
        self.end = time.monotonic() + _LONGEST
        self.received = 0

    def patience(self) -> float:
        """Return how many seconds the next step may take."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"it takes longer than {_LONGEST:g} seconds")
        return min(left, _PATIENCE)

    def count(self, received: int) -> int:
        """Return the number of bytes that came, which are counted."""
        self.received += received
        if self.received > _LARGEST:
            raise OSError(f"more than {_LARGEST:,} bytes came")
        return received


def _follow(address: str) -> bytes:
    bounds = _Bounds()
    for _ in range(1 + _REDIRECTS):
        found = _get(address, bounds)
        if isinstance(found, bytes):
            return found
        address = urljoin(address, found)
    raise ValueError(f"it was redirected more than {_REDIRECTS} times")


def _get(address: str, bounds: _Bounds) -> bytes | str:
    """Return the file, or the address that the server names instead."""
    parts = urlsplit(address)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError(f"{address} is no https address, and nothing else is fetched")
    connection = _Outward(parts.hostname, parts.port, bounds)
    try:
        place, query = (quote(part, safe=_PLAIN) for part in (parts.path or "/", parts.query))
        connection.request(
            "GET", f"{place}?{query}" if query else place, headers={"Accept": "image/*", "User-Agent": "underone"}
        )
        answer = connection.getresponse()
        if answer.status in (301, 302, 303, 307, 308):
            return _place(answer)
        if answer.status != 200:
            raise ValueError(f"the server answers {answer.status} {answer.reason}")
        kind = answer.headers.get_content_type()
        if not kind.startswith(_KINDS):
            raise ValueError(f"it is {kind}, a picture is required")
        return _content(answer)
    finally:
        connection.close()


def _place(answer: http.client.HTTPResponse) -> str:
    place = answer.getheader("Location")
    if not place:
        raise ValueError(f"the server answers {answer.status} {answer.reason} and does not say where the picture is")
    return place


def _content(answer: http.client.HTTPResponse) -> bytes:
    content = bytearray()
    while block := answer.read1(_CHUNK):
        content += block
    if answer.length:
        raise ValueError(f"it ended after {len(content)} bytes, {answer.length} before its end")
    return bytes(content)


class _Outward(http.client.HTTPSConnection):
    """A connection within bounds that leads to no address of this machine or of the network around it."""

    def __init__(self, host: str, port: int | None, bounds: _Bounds) -> None:
        self.context, self.bounds = ssl.create_default_context(), bounds
        self.context.sslsocket_class = _Bounded
        super().__init__(host, port, context=self.context)

    def connect(self) -> None:
        """Connect to the very address that was looked at: a name may have another one a moment later."""
        with socket.create_connection(_public(self.host, self.port), self.bounds.patience()) as raw:
            raw.settimeout(self.bounds.patience())  # of the whole handshake
            bounded: Any = self.context.wrap_socket(raw, server_hostname=self.host)
        bounded.bounds = self.bounds
        self.sock = bounded


class _Bounded(ssl.SSLSocket):
    """A socket through which nothing passes outside the bounds of its fetch."""

    bounds: _Bounds

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """Receive what comes next."""
        self.settimeout(self.bounds.patience())
        return self.bounds.count(super().recv_into(buffer, nbytes, flags))

    def send(self, data: Any, flags: int = 0) -> int:
        """Send a part of the request."""
        self.settimeout(self.bounds.patience())
        return super().send(data, flags)


def _public(host: str, port: int) -> tuple[Any, ...]:
    """Return where a host is; how long its name is looked for is the system's matter."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, (address, *_) in found:
        number = ipaddress.ip_address(str(address).partition("%")[0])
        if not _is_public(number):
            raise ValueError(f"{host} is {number}, an address of this machine or of the network around it")
    place: tuple[Any, ...] = found[0][4][:2]
    return place


def _is_public(number: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Tell whether an address, or the IPv4 address that it stands for, leads outward."""
    if isinstance(number, ipaddress.IPv4Address):
        return number.is_global and not number.is_multicast
    if number in _TRANSLATED:
        return _is_public(ipaddress.IPv4Address(int(number) & 0xFFFFFFFF))
    inner = number.ipv4_mapped or number.sixtofour
    return _is_public(inner) if inner is not None else number in _ALLOCATED and number.is_global
