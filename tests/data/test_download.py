"""Downloads from a server on this machine: resumed, checked, and safe to take apart."""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from timesteps.data import catalogue, source
from timesteps.data.archive import extract
from timesteps.data.catalogue import Archive, Dataset, RemoteFile, Stored
from timesteps.data.download import download, fetch
from timesteps.errors import DataError, UsageError

CONTENT = b"id\tdocument\tlabel\n" + b"".join(b"%d\treview %d\t%d\n" % (i, i, i % 2) for i in range(40_000))


@dataclass
class Behaviour:
    content: bytes = CONTENT
    ranges: bool = True
    etag: str | None = '"one"'
    cut_after: list[int] = field(default_factory=list)  # bytes to send before each cut
    status: list[int] = field(default_factory=list)  # answers to give first
    asked: list[str | None] = field(default_factory=list)  # the ranges that were asked for


@pytest.fixture
def server():
    behaviour = Behaviour()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            behaviour.asked.append(wanted)
            if behaviour.status:
                self.send_error(behaviour.status.pop(0))
                return
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and behaviour.ranges else 0
            if self.headers.get("If-Range", behaviour.etag) != behaviour.etag:
                start = 0
            if start >= len(behaviour.content):
                self.send_error(416)
                return
            body = behaviour.content[start:]
            self.send_response(206 if start else 200)
            if start:
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(behaviour.content) - 1}/{len(behaviour.content)}"
                )
            if behaviour.etag:
                self.send_header("ETag", behaviour.etag)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: behaviour.cut_after.pop(0)] if behaviour.cut_after else body)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        behaviour.url = f"http://127.0.0.1:{http.server_address[1]}/reviews.txt"
        yield behaviour
        http.shutdown()
        thread.join()


def remote(
    server: Behaviour, md5: str | None = hashlib.md5(CONTENT).hexdigest(), size: int = len(CONTENT)
) -> RemoteFile:
    return RemoteFile(server.url, "reviews.txt", size, md5)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_download(server, tmp_path):
    seen: list[tuple[int, int]] = []
    path = fetch(remote(server), tmp_path, lambda here, whole: seen.append((here, whole)))
    assert path.read_bytes() == CONTENT and names(tmp_path) == ["reviews.txt"]
    assert seen[-1] == (len(CONTENT), len(CONTENT)) and len(seen) > 1 and seen == sorted(seen)
    fetch(remote(server), tmp_path)
    assert server.asked == [None]  # what is there is not fetched again


def test_a_cut_download_goes_on(server, tmp_path):
    server.cut_after = [300_000, 200_000]
    assert fetch(remote(server), tmp_path, wait=0).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=500000-"] and names(tmp_path) == ["reviews.txt"]


def test_a_download_goes_on_in_the_next_call(server, tmp_path):
    server.cut_after = [100_000, 0, 0, 0]
    with pytest.raises(DataError, match=r"failed after 100,000 of [\d,]+ bytes .*run it again to go on"):
        fetch(remote(server), tmp_path, wait=0)
    assert names(tmp_path) == ["reviews.txt.part", "reviews.txt.part.tag"]
    assert fetch(remote(server), tmp_path, wait=0).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=100000-" and names(tmp_path) == ["reviews.txt"]


def test_a_server_without_ranges_starts_afresh(server, tmp_path):
    server.ranges, server.cut_after = False, [300_000]
    assert fetch(remote(server), tmp_path, wait=0).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]


def test_a_file_that_changed_in_between_starts_afresh(server, tmp_path):
    server.content, server.cut_after = CONTENT[::-1], [300_000, 0, 0, 0]
    with pytest.raises(DataError, match="failed after"):
        fetch(remote(server, None), tmp_path, wait=0)
    server.content, server.etag = CONTENT, '"two"'
    assert fetch(remote(server, None), tmp_path, wait=0).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=300000-"


def test_without_validator_and_checksum_nothing_is_pieced_together(server, tmp_path):
    server.etag, server.cut_after = None, [300_000]
    assert fetch(remote(server, None), tmp_path, wait=0).read_bytes() == CONTENT
    assert server.asked == [None, None]


def test_a_part_that_is_longer_than_the_file_starts_afresh(server, tmp_path):
    (tmp_path / "reviews.txt.part").write_bytes(CONTENT + b"x")
    assert fetch(remote(server), tmp_path, wait=0).read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    with pytest.raises(DataError, match="its MD5 is not 0123"):
        fetch(remote(server, "0123"), tmp_path)
    assert names(tmp_path) == []


def test_more_than_the_known_size_is_refused(server, tmp_path):
    with pytest.raises(DataError, match="sends more than the 1,000 bytes"):
        fetch(remote(server, size=1_000), tmp_path, wait=0)


def test_refusals_and_passing_trouble(server, tmp_path):
    server.status = [404]
    with pytest.raises(DataError, match=r"answers 404 .*TIMESTEPS_DATA"):
        fetch(remote(server), tmp_path, wait=0)
    assert len(server.asked) == 1
    server.status = [503, 416]
    assert fetch(remote(server), tmp_path, wait=0).read_bytes() == CONTENT


def test_without_network(tmp_path):
    nowhere = RemoteFile("http://127.0.0.1:9/reviews.txt", "reviews.txt", 10)
    with pytest.raises(DataError) as caught:
        fetch(nowhere, tmp_path, wait=0)
    message = str(caught.value)
    assert "\n" not in message and "set TIMESTEPS_DATA" in message and f"put {nowhere.url} in {tmp_path}" in message


def test_the_first_download_is_recorded_and_checked(server, tmp_path, monkeypatch):
    parts = {"train": (Stored("reviews.txt"),)}
    files = (remote(server, None),)
    reviews = Dataset("reviews", "", ("English",), "CC0", "", "", {"train": 40_000}, parts, files)
    monkeypatch.setitem(catalogue.DATASETS, "reviews", reviews)
    monkeypatch.setenv("TIMESTEPS_CACHE", str(tmp_path))
    monkeypatch.delenv("TIMESTEPS_DATA", raising=False)
    table = source.open_source("reviews")  # downloads it
    assert table.rows_read == 40_000 and table.sha256 == hashlib.sha256(CONTENT).hexdigest()
    folder = tmp_path / "reviews"
    assert names(folder) == ["reviews.txt", "reviews.txt.sha256"]
    assert (folder / "reviews.txt.sha256").read_text() == f"{table.sha256}  reviews.txt\n"
    (folder / "reviews.txt").write_bytes(CONTENT.replace(b"review 7\t", b"review x\t"))
    for action in (lambda: source.load("reviews"), lambda: download("reviews")):
        with pytest.raises(DataError, match="SHA-256 has changed"):
            action()


def test_a_cache_that_cannot_be_written(server, tmp_path, monkeypatch):
    monkeypatch.setenv("TIMESTEPS_CACHE", str(tmp_path / "file"))
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"cannot be written.*TIMESTEPS_CACHE"):
        download("nsmc")
    with pytest.raises(UsageError, match="sample is bundled"):
        download("sample")


def tar_of(members: dict[str, bytes | None], mode: str = "w:gz") -> bytes:
    """A tar file; a member without content is a link to /etc/passwd."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content or b""))
    return stream.getvalue()


GOOD = {"top/train/pos/0_9.txt": b"good", "top/train/neg/0_1.txt": b"bad", "top/README": b"no", "../evil.txt": b"evil"}


def test_an_archive_is_downloaded_and_taken_apart(server, tmp_path, monkeypatch):
    server.content = tar_of(GOOD)
    packed = RemoteFile(server.url, "top.tar.gz", len(server.content), hashlib.md5(server.content).hexdigest())
    archive = Archive("top.tar.gz", "top", r"top/train/(pos|neg)/\d+_\d+\.txt", 2)
    parts = {"train": (Stored("top/train"),)}
    packed_set = Dataset("packed", "", ("English",), "CC0", "", "", {"train": 2}, parts, (packed,), archive)
    monkeypatch.setitem(catalogue.DATASETS, "packed", packed_set)
    monkeypatch.setenv("TIMESTEPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TIMESTEPS_DATA", raising=False)
    folder = download("packed")
    assert names(folder) == ["top"] and names(folder / "top") == ["train"]
    assert source.load("packed").labels == ["neg", "pos"]
    assert download("packed") == folder and len(server.asked) == 1
    assert names(tmp_path) == ["cache"]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"top/../../evil.txt": b"evil"}, "not a plain file inside top/"),
        ({"/top/evil.txt": b"evil"}, "not a plain file inside top/"),
        ({"other/evil.txt": b"evil"}, "not a plain file inside top/"),
        ({"top/evil.txt": None}, "not a plain file inside top/"),
        ({"top/a.txt": b"", "top/b.txt": b""}, "holds 2 of the 1 files"),
        ({"elsewhere": b""}, "holds 0 of the 1 files"),
        ({"top/a.txt": bytes((16 << 20) + 1)}, "too large"),
    ],
)
def test_hostile_archives(tmp_path, members, words):
    packed = tmp_path / "in" / "a.tar.gz"
    packed.parent.mkdir()
    packed.write_bytes(tar_of(members))
    with pytest.raises(DataError, match=words):
        extract(packed, packed.parent, "top", re.compile(r".*\.txt"), 1)
    assert names(packed.parent) == ["a.tar.gz"] and names(tmp_path) == ["in"]


def test_a_cut_archive(tmp_path):
    packed = tmp_path / "a.tar.gz"
    content = tar_of({f"top/{i}.txt": hashlib.sha512(bytes([i])).digest() * 20 for i in range(50)})
    packed.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="is damaged"):
        extract(packed, tmp_path, "top", re.compile(r"top/\d+\.txt"), 50)
    assert names(tmp_path) == ["a.tar.gz"]
