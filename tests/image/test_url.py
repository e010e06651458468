"""Pictures from a server of the tests' own, which stands at any name and address that they say."""

import contextlib
import http.server
import io
import socket
import ssl
import subprocess
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from underone.errors import BadFile
from underone.image import Url, read_image, url

PICTURE = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
PLACES = {"pictures.test": "93.184.216.34", "inside.test": "10.0.0.7"}


def png():
    file = io.BytesIO()
    Image.fromarray(PICTURE).save(file, "PNG")
    return file.getvalue()


ANSWERS = {
    "/owl.png": (200, {"Content-Type": "image/png"}, png()),
    "/bytes": (200, {"Content-Type": "application/octet-stream"}, png()),
    "/page": (200, {"Content-Type": "text/html"}, b"<html>"),
    "/owl%20of%20%C3%BC?size=3&kind=a%2Fb?": (200, {"Content-Type": "image/png"}, png()),
    "/moved": (302, {"Location": "/owl.png"}, b""),
    "/plain": (301, {"Location": "http://pictures.test/owl.png"}, b""),
    "/inside": (307, {"Location": "https://inside.test/owl.png"}, b""),
    "/file": (302, {"Location": "file:///etc/passwd"}, b""),
    "/round": (302, {"Location": "/round"}, b""),
    "/nowhere": (302, {}, b""),
    "/cut": (200, {"Content-Type": "image/png", "Content-Length": "9999"}, png()),
    "/large": (200, {"Content-Type": "image/png"}, bytes(5000)),
}
_PNG = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
ENDLESS = {  # what is said once, and what again and again
    "/header": (b"HTTP/1.1 200 OK\r\nX: ", b"y"),
    "/continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "/file": (_PNG + b"\r\n", b"y"),
    "/chunk": (_PNG + b"Transfer-Encoding: chunked\r\n\r\n1;", b"y"),
    "/trailer": (_PNG + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"),
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/endless"):
            self.say_without_end(*ENDLESS[self.path.removeprefix("/endless")])
        else:
            self.answer()

    def answer(self):
        time.sleep(self.server.pause)
        status, headers, content = ANSWERS.get(self.path, (404, {}, b""))
        self.server.asked.append((self.headers["Host"], self.path))
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = self.path == "/cut"

    def say_without_end(self, once, again):
        self.close_connection = True
        with contextlib.suppress(OSError):  # the other side has gone, which is what is asked for
            self.wfile.write(once)
            while True:
                self.wfile.write(again)
                time.sleep(self.server.pause)

    def log_message(self, *_):
        pass


def connected(address, timeout):
    """Do what `socket.create_connection` does, which the tests replace."""
    made = socket.socket()
    made.settimeout(timeout)
    made.connect(address)
    return made


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=pictures.test"
    names = ["-addext", "subjectAltName=DNS:pictures.test"]
    where = ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    try:
        subprocess.run(["openssl", *words.split(), *names, *where], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("there is no openssl to make a certificate with")
    return SimpleNamespace(key=folder / "key.pem", cert=folder / "cert.pem")


@pytest.fixture
def server(certificate, monkeypatch):
    """Serve `ANSWERS` at pictures.test, trusted; names are found in `PLACES`, and every address leads here."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.reached, server.pause = [], [], 0.0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()

    def found(host, port, **_):
        if host not in PLACES:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (PLACES[host], port))]

    def reach(address, timeout):
        server.reached.append(address)
        return connected(server.server_address, timeout)

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.cert))
    monkeypatch.setattr(url.socket, "getaddrinfo", found)
    monkeypatch.setattr(url.socket, "create_connection", reach)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("place", ["owl.png", "bytes", "moved", "owl.png#part", "owl of ü?size=3&kind=a%2Fb?"])
def test_a_picture_is_fetched_where_its_owner_says_so(server, place):
    np.testing.assert_array_equal(read_image(Url(f"https://pictures.test/{place}")), PICTURE)
    assert set(server.reached) == {("93.184.216.34", 443)}  # the address that was looked at, not the name once more


def test_a_mere_text_is_not_fetched(server):
    with pytest.raises(
        BadFile, match=r"nothing is fetched unasked; pass underone.image.Url\('https://pictures.test/ow"
    ):
        read_image("https://pictures.test/owl.png")
    assert not server.asked


REFUSED = {
    "page": "it is text/html, a picture is required",
    "missing": "the server answers 404 Not Found",
    "plain": "http://pictures.test/owl.png is no https address, and nothing else is fetched",
    "inside": "inside.test is 10.0.0.7, an address of this machine or of the network around it",
    "file": "file:///etc/passwd is no https address",
    "round": "it was redirected more than 5 times",
    "nowhere": "the server answers 302 Found and does not say where the picture is",
    "cut": r"it ended after \d+ bytes, \d+ before its end",
}


@pytest.mark.parametrize("place", REFUSED)
def test_what_is_refused_is_one_line(server, place):
    with pytest.raises(BadFile, match=rf"^https://pictures.test/{place} was not fetched: {REFUSED[place]}"):
        read_image(Url(f"https://pictures.test/{place}"))
    assert {host for host, _ in server.asked} == {"pictures.test"}


def test_a_file_without_end_is_given_up(server, monkeypatch):
    monkeypatch.setattr(url, "_LARGEST", 4000)
    with pytest.raises(BadFile, match="more than 4,000 bytes came"):
        read_image(Url("https://pictures.test/large"))


@pytest.mark.parametrize("place", ENDLESS)
def test_a_server_that_drips_is_given_up(server, monkeypatch, place):
    server.pause = 0.01
    monkeypatch.setattr(url, "_LONGEST", 0.3)
    begun = time.monotonic()
    with pytest.raises(BadFile, match=r"it takes longer than 0\.3 seconds|timed out"):
        read_image(Url(f"https://pictures.test/endless{place}"))
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("place", ENDLESS)
def test_a_server_that_floods_is_given_up(server, monkeypatch, place):
    monkeypatch.setattr(url, "_LARGEST", 4000)
    with pytest.raises(BadFile, match="more than 4,000 bytes came"):
        read_image(Url(f"https://pictures.test/endless{place}"))


def test_redirects_are_within_the_time_of_the_whole(server, monkeypatch):
    server.pause = 0.1
    monkeypatch.setattr(url, "_LONGEST", 0.25)
    with pytest.raises(BadFile, match=r"it takes longer than 0\.25 seconds|timed out"):
        read_image(Url("https://pictures.test/round"))


def test_a_server_that_says_nothing_is_given_up(server, monkeypatch):
    silent = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr(url, "_PATIENCE", 0.05)
    monkeypatch.setattr(url.socket, "create_connection", lambda _, timeout: connected(silent.getsockname(), timeout))
    with pytest.raises(BadFile, match=r"was not fetched: .*timed out"):
        read_image(Url("https://pictures.test/owl.png"))
    silent.close()


def test_a_certificate_of_nobody_is_refused(server, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(BadFile, match=r"certificate verify failed"):
        read_image(Url("https://pictures.test/owl.png"))
    assert not server.asked


@pytest.mark.parametrize("address", [
    "127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1",
    "fe80::1%eth0", "fd00::1", "::ffff:127.0.0.1", "fec0::1", "ff0e::1", "::7f00:1", "::ffff:0:7f00:1",
    "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:a00:1::", "2001:0:4136:e378:8000:63bf:f5ff:fffe",
])  # fmt: skip
def test_no_address_of_the_network_around_is_asked(server, monkeypatch, address):
    found = [(0, 0, 0, "", ("93.184.216.34", 443)), (0, 0, 0, "", (address, 443))]
    monkeypatch.setattr(url.socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(BadFile, match="an address of this machine or of the network around it"):
        read_image(Url("https://pictures.test/owl.png"))
    assert not server.reached


@pytest.mark.parametrize("address", ["2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"])
def test_an_outward_address_of_the_sixth_version_is_asked(server, monkeypatch, address):
    monkeypatch.setattr(url.socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (address, 443))])
    read_image(Url("https://pictures.test/owl.png"))
    assert set(server.reached) == {(address, 443)}


@pytest.mark.parametrize("address", [
    "http://pictures.test/owl.png", "ftp://pictures.test/a", "https://", "https:///a", "https://[", "https://a:b/c",
    "https://unknown.test/", "owl.png", "https://pictures.test\r\nX: y/",
])  # fmt: skip
def test_what_is_no_address_is_one_line(server, address):
    with pytest.raises(BadFile, match=r"was not fetched: [^\n]+$"):
        Url(address).fetch()
    assert not server.asked


def test_without_a_network_nothing_is_fetched(server, monkeypatch):
    monkeypatch.setenv("UNDERONE_OFFLINE", "1")
    with pytest.raises(BadFile, match="UNDERONE_OFFLINE forbids the network"):
        read_image(Url("https://pictures.test/owl.png"))
    assert not server.reached


@pytest.mark.parametrize(("address", "name"), [
    ("https://a.test/b/owl.png?size=3", "owl.png"), ("https://a.test/..", "picture"),
    ("https://a.test/a%2Fb c", "a_2Fb_c"), ("https://a.test/owl.png#a/b", "owl.png"),
    ("https://a.test/x/", "x"), ("https://a.test", "a.test"),
])  # fmt: skip
def test_names_are_those_of_files(address, name):
    assert Url(address).name == name
