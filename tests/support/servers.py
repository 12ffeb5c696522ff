"""Servers on loopback: a web server of files, and a stand-in for S3 that keeps objects in memory."""

import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from seqconv.files import connections


class Server(ThreadingHTTPServer):
    """A server whose content is bytes by path, such as `/bucket/a.wav`.

    `refusals`: a status by path, instead of the content. `cuts`: bytes to send of a path before the connection ends.
    `failures`: how often it fails before it answers, by path. `refused_ends`: ends of paths to which nothing may be
    written. `requests`: method and path of each request. `gives_parts`: whether it answers to ranges. `says_versions`:
    whether it gives an ETag and the time of a change.
    """

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.forget()

    def forget(self) -> None:
        """Be as at the beginning."""
        self.objects: dict[str, bytes] = {}
        self.refusals: dict[str, int] = {}
        self.cuts: dict[str, int] = {}
        self.requests: list[tuple[str, str]] = []
        self.gives_parts = self.says_versions = True
        self.failures: dict[str, int] = {}
        self.refused_ends: tuple[str, ...] = ()

    def handle_error(self, request: object, client_address: object) -> None:
        """Pass over clients that went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def put_folder(self, folder: Path, prefix: str) -> None:
        """Take in the files of a folder, below a path."""
        for path in folder.rglob("*"):
            if path.is_file():
                self.objects[f"{prefix}/{path.relative_to(folder).as_posix()}"] = path.read_bytes()


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    @property
    def place(self) -> str:
        return unquote(urlsplit(self.path).path)

    def send(self, status: int, content: bytes = b"", **headers: str) -> None:
        cut = self.server.cuts.get(self.place, len(content))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:cut])
            self.close_connection = cut < len(content)

    def is_refused(self) -> bool:
        self.server.requests.append((self.command, self.path))
        status = self.server.refusals.get(self.place)
        if self.command == "PUT" and self.place.endswith(self.server.refused_ends):
            status = 403
        if self.server.failures.get(self.place, 0) > 0:
            self.server.failures[self.place] -= 1
            status = 503
        if status is not None:
            self.send(status)
        return status is not None

    def send_object(self) -> None:
        content = self.server.objects.get(self.place)
        if content is None:
            self.send(404, b"<Error><Code>NoSuchKey</Code></Error>" if self.command == "GET" else b"")
            return
        headers: dict[str, str] = {}
        if self.server.says_versions:
            headers = {"ETag": f'"{hashlib.md5(content).hexdigest()}"', "Last_Modified": formatdate(usegmt=True)}
        wanted = self.headers.get("Range")
        if wanted is None or not self.server.gives_parts:
            self.send(200, content, **headers)
            return
        first, last = wanted.removeprefix("bytes=").split("-")
        stop = min(int(last) + 1 if last else len(content), len(content))
        part = content[int(first) : stop]
        self.send(206, part, Content_Range=f"bytes {first}-{stop - 1}/{len(content)}", **headers)


class _Web(_Handler):
    def do_GET(self) -> None:
        if not self.is_refused():
            self.send_object()

    do_HEAD = do_GET  # noqa: N815


class _Store(_Handler):
    """What s3fs asks of S3 for files of a few megabytes."""

    def do_HEAD(self) -> None:
        if self.is_refused():
            return
        if self.place.strip("/").count("/") == 0:
            self.send(200)
        else:
            self.send_object()

    def do_GET(self) -> None:
        if self.is_refused():
            return
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        if "list-type" not in query:
            self.send_object()
            return
        bucket = f"/{self.place.strip('/')}/"
        prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
        keys = sorted(name.removeprefix(bucket) for name in self.server.objects if name.startswith(bucket + prefix))
        deeper = sorted(
            {key[: key.index("/", len(prefix)) + 1] for key in keys if delimiter and "/" in key[len(prefix) :]}
        )
        entries = [
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.server.objects[bucket + key])}</Size>"
            f'<ETag>"{hashlib.md5(self.server.objects[bucket + key]).hexdigest()}"</ETag>'
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified><StorageClass>STANDARD</StorageClass></Contents>"
            for key in keys
            if not any(key.startswith(folder) for folder in deeper)
        ]
        entries += [f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in deeper]
        body = f"<IsTruncated>false</IsTruncated><KeyCount>{len(entries)}</KeyCount>{''.join(entries)}"
        self.send_xml("ListBucketResult", body)

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.is_refused():
            return
        if "aws-chunked" in self.headers.get("Content-Encoding", ""):
            content = b"".join(_unchunked(content))
        self.server.objects[self.place] = content
        self.send(200, ETag=f'"{hashlib.md5(content).hexdigest()}"')

    def do_DELETE(self) -> None:
        if not self.is_refused():
            self.server.objects.pop(self.place, None)
            self.send(204)

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.is_refused():
            return
        keys = [each.text for each in ElementTree.fromstring(content).iter() if each.tag.endswith("Key")]
        for key in keys:
            self.server.objects.pop(f"/{self.place.strip('/')}/{key}", None)
        self.send_xml("DeleteResult", "".join(f"<Deleted><Key>{escape(str(key))}</Key></Deleted>" for key in keys))

    def send_xml(self, name: str, body: str) -> None:
        text = f'<?xml version="1.0"?><{name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{body}</{name}>'
        self.send(200, text.encode(), Content_Type="application/xml")


def forget_connections() -> None:
    """Connect again at the next request: a connection that was made for another server goes on asking that."""
    connections._system.cache_clear()
    # Not everybody who imports this has it.
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()


def _unchunked(content: bytes) -> Iterator[bytes]:
    while content:
        head, _, content = content.partition(b"\r\n")
        size = int(head.partition(b";")[0], 16)
        if not size:
            return
        yield content[:size]
        content = content[size + 2 :]


@contextmanager
def _environment(**settings: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _serving(server: Server, **settings: str) -> Iterator[Server]:
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    # No proxy knows the way to this machine.
    with _environment(NO_PROXY="127.0.0.1", no_proxy="127.0.0.1", **settings):
        try:
            yield server
        finally:
            server.shutdown()
            server.server_close()


@contextmanager
def web_server() -> Iterator[Server]:
    """Serve files over HTTP: their content is in `objects`, by path."""
    with _serving(Server(_Web)) as server:
        yield server


@contextmanager
def object_store() -> Iterator[Server]:
    """Serve objects as S3 does, for this process and those that it starts: `objects` has them as `/BUCKET/KEY`."""
    server = Server(_Store)
    settings = {
        "AWS_ENDPOINT_URL": server.address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }
    with _serving(server, **settings):
        forget_connections()
        try:
            yield server
        finally:
            forget_connections()
