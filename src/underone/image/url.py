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

_LARGEST = 1 << 26  # bytes of a file
_PATIENCE = 10.0  # seconds to connect, and to wait for the next bytes
_LONGEST = 60.0  # seconds for all of them
_REDIRECTS = 5
_KINDS = ("image/", "application/octet-stream", "binary/octet-stream")
_PLAIN = "/?%:@!$&'()*+,;=~"  # letters of addresses that stay as they are, beside those that `quote` leaves
_CHUNK = 1 << 16


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
        last = self.address.partition("?")[0].rstrip("/").rpartition("/")[2]
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


def _follow(address: str) -> bytes:
    for _ in range(1 + _REDIRECTS):
        found = _get(address)
        if isinstance(found, bytes):
            return found
        address = urljoin(address, found)
    raise ValueError(f"it was redirected more than {_REDIRECTS} times")


def _get(address: str) -> bytes | str:
    """Return the file, or the address that the server names instead."""
    parts = urlsplit(address)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError(f"{address} is no https address, and nothing else is fetched")
    connection = _Outward(parts.hostname, parts.port, timeout=_PATIENCE)
    try:
        place, query = (quote(part, safe=_PLAIN) for part in (parts.path or "/", parts.query))
        connection.request(
            "GET", f"{place}?{query}" if query else place, headers={"Accept": "image/*", "User-Agent": "underone"}
        )
        answer = connection.getresponse()
        if answer.status in (301, 302, 303, 307, 308):
            return answer.getheader("Location") or ""
        if answer.status != 200:
            raise ValueError(f"the server answers {answer.status} {answer.reason}")
        kind = answer.headers.get_content_type()
        if not kind.startswith(_KINDS):
            raise ValueError(f"it is {kind}, a picture is required")
        return _content(answer)
    finally:
        connection.close()


def _content(answer: http.client.HTTPResponse) -> bytes:
    content, end = bytearray(), time.monotonic() + _LONGEST
    while block := answer.read1(_CHUNK):
        content += block
        if len(content) > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST:,} bytes")
        if time.monotonic() > end:
            raise ValueError(f"it takes longer than {_LONGEST:.0f} seconds")
    if answer.length:
        raise ValueError(f"it ended after {len(content)} bytes, {answer.length} before its end")
    return bytes(content)


class _Outward(http.client.HTTPSConnection):
    """A connection that leads to no address of this machine or of the network around it."""

    def connect(self) -> None:
        """Connect to the very address that was looked at: a name may have another one a moment later."""
        raw = socket.create_connection(_public(self.host, self.port), _PATIENCE)
        self.sock = ssl.create_default_context().wrap_socket(raw, server_hostname=self.host)


def _public(host: str, port: int) -> tuple[Any, ...]:
    """Return where a host is."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, (address, *_) in found:
        number = ipaddress.ip_address(str(address).partition("%")[0])
        number = getattr(number, "ipv4_mapped", None) or number
        if not number.is_global or number.is_multicast:
            raise ValueError(f"{host} is {number}, an address of this machine or of the network around it")
    place: tuple[Any, ...] = found[0][4][:2]
    return place
