"""Files in a bucket of S3.

What a client uploads is a multipart upload, even of one part: its links are of no use once it is complete,
so that no file changes afterwards. S3 itself refuses a part of another length, and of another checksum where
that was told. Parts that nobody completes, and files whose time is over, are for the life-cycle rules of the
bucket.

botocore is imported with the first call that S3 has to answer. Links need none (``presigning.py``).
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, BinaryIO
from urllib.parse import quote

from coatcheck.errors import (
    FileMismatchError,
    FilesUnavailableError,
)
from coatcheck.files.presigning import Keys, presign
from coatcheck.files.store import Part, PartLink, Stored, Upload
from coatcheck.settings import Settings

MIB = 1024 * 1024
PIECE = 8 * MIB
"""Bytes of a file that are in memory while it is written."""
MOST_PARTS = 10_000
"""Of one upload, as S3 has it."""
COPIED = 256 * MIB
"""Bytes that S3 copies in one request. More at once would take it longer than a function may run."""
COPIES = 8
"""Such requests at a time."""
TRIES = 5
"""How often reading goes on where a connection was lost."""
CHANGED = "What was to be kept changed while it was read; nothing was kept."
MISSING = {"404", "NoSuchKey", "NoSuchUpload", "NotFound"}


class S3Store:
    """Takes the bucket, what all keys begin with, and the settings."""

    def __init__(self, bucket: str, prefix: str, settings: Settings) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._region = settings.aws_region
        suffix = "amazonaws.com.cn" if self._region.startswith("cn-") else "amazonaws.com"
        # A name with dots in it has no host of its own: no certificate would be for it.
        self._by_path = bool(settings.files_endpoint) or "." in bucket
        self._host = settings.files_endpoint or f"https://s3.{self._region}.{suffix}"
        self._lock = threading.Lock()

    @property
    def origin(self) -> str:
        """The bucket's own host, or that of all buckets."""
        return self._host if self._by_path else self._host.replace("://", f"://{self._bucket}.")

    def begin(self, upload: Upload) -> Upload:
        """Begin a multipart upload."""
        options = {"ChecksumAlgorithm": "SHA256"} if _checked(upload) else {}
        with _reaching():
            found = self._client.create_multipart_upload(
                **self._address(upload.key), ContentType=upload.type, **options
            )
        return Upload(
            upload.key, upload.type, upload.size, upload.part_size, upload.sha256, found["UploadId"]
        )

    def part_links(self, upload: Upload, numbers: Iterable[int], until: int) -> list[PartLink]:
        """Links to S3, each for a part of exactly its length."""
        links = []
        for number in numbers:
            size = upload.size_of(number)
            headers = {"Content-Type": upload.type} if upload.part_size is None else {}
            if _checked(upload) and upload.sha256:
                headers["x-amz-checksum-sha256"] = _base64(upload.sha256)
            # A client's HTTP library tells the length by itself; a page could not even set it.
            signed = {**headers, "Content-Length": str(size)}
            query = {"partNumber": str(number), "uploadId": upload.token}
            url = self._sign("PUT", upload.key, until=until, query=query, headers=signed)
            links.append(PartLink(number, size, url, headers))
        return links

    def arrived(self, upload: Upload) -> list[Part]:
        """What S3 lists of the upload; nothing once it is over."""
        return [part for part, _ in self._parts(upload)]

    def complete(self, upload: Upload, parts: Sequence[Part]) -> Stored:
        """Have S3 make one object of the parts."""
        there = {part.number: (part, tag) for part, tag in self._parts(upload)}
        if not there and (found := self.head(upload.key)):
            return Stored(found.size, upload.sha256 if _checked(upload) else None)  # it was complete already
        upload.check(parts, {number: part for number, (part, _) in there.items()})
        with _reaching():
            self._client.complete_multipart_upload(
                **self._address(upload.key),
                UploadId=upload.token,
                MultipartUpload={"Parts": [_told(part, tag) for part, tag in there.values()]},
            )
        return Stored(upload.size, there[1][0].sha256 if upload.part_size is None else None)

    def abort(self, upload: Upload) -> None:
        """Have S3 forget the parts."""
        with _reaching(missing=True):
            self._client.abort_multipart_upload(**self._address(upload.key), UploadId=upload.token)

    def head(self, key: str) -> Stored | None:
        """The size of an object."""
        found = self._look(key)
        return Stored(found["ContentLength"]) if found else None

    def download_link(self, key: str, *, name: str, kind: str, since: int, until: int) -> str:
        """A link to S3, which answers with the name and the type that the link has."""
        query = {
            "response-content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
            "response-content-type": kind,
        }
        return self._sign("GET", key, since=since, until=until, query=query)

    def open(self, key: str) -> BinaryIO:
        """The object as a stream, which goes on after a lost connection."""
        return io.BufferedReader(_Reader(self._client, self._address(key)), MIB)

    def write(self, key: str, source: BinaryIO, *, kind: str, size: int, sha256: str) -> None:
        """Send it, a piece at a time."""
        if size > PIECE:
            with _reaching():
                self._write_parts(key, source, kind, size, sha256)
            return
        data = source.read(size + 1)
        if (len(data), hashlib.sha256(data).hexdigest()) != (size, sha256):
            raise FileMismatchError(CHANGED)
        with _reaching():
            self._client.put_object(
                **self._address(key), Body=data, ContentType=kind, ChecksumSHA256=_base64(sha256)
            )

    def copy(self, key: str, to: str) -> None:
        """Have S3 copy the object, in parts when it is large."""
        found = self._look(key)
        if found is None:
            raise FileNotFoundError(key)
        with _reaching():
            if found["ContentLength"] <= COPIED:
                self._client.copy_object(**self._address(to), CopySource=self._address(key))
            else:
                self._copy_parts(key, to, found["ContentType"], found["ContentLength"])

    def delete(self, key: str) -> None:
        """Delete the object."""
        with _reaching():
            self._client.delete_object(**self._address(key))

    def _look(self, key: str) -> dict[str, Any] | None:
        """What S3 says of an object; None: there is none."""
        with _reaching():
            try:
                return dict(self._client.head_object(**self._address(key)))
            except self._client.exceptions.ClientError as error:
                if error.response["Error"]["Code"] in MISSING:
                    return None
                raise

    def _copy_parts(self, key: str, to: str, kind: str, size: int) -> None:
        from concurrent.futures import ThreadPoolExecutor

        def send(upload_id: str) -> list[dict[str, Any]]:
            def step(start: int) -> dict[str, Any]:
                number, last = start // COPIED + 1, min(start + COPIED, size) - 1
                answer = self._client.upload_part_copy(
                    **self._address(to),
                    UploadId=upload_id,
                    PartNumber=number,
                    CopySource=self._address(key),
                    CopySourceRange=f"bytes={start}-{last}",
                )
                return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

            with ThreadPoolExecutor(COPIES) as pool:
                return list(pool.map(step, range(0, size, COPIED)))

        self._multipart(to, kind, send)

    def _write_parts(self, key: str, source: BinaryIO, kind: str, size: int, sha256: str) -> None:
        piece_size = max(PIECE, -(-size // MOST_PARTS))

        def send(upload_id: str) -> list[dict[str, Any]]:
            digest, sent = hashlib.sha256(), 0
            parts: list[dict[str, Any]] = []
            while piece := source.read(piece_size):
                digest.update(piece)
                sent += len(piece)
                if sent > size:
                    break
                answer = self._client.upload_part(
                    **self._address(key), UploadId=upload_id, PartNumber=len(parts) + 1, Body=piece
                )
                parts.append({"PartNumber": len(parts) + 1, "ETag": answer["ETag"]})
            if (sent, digest.hexdigest()) != (size, sha256):
                raise FileMismatchError(CHANGED)
            return parts

        self._multipart(key, kind, send)

    def _multipart(self, key: str, kind: str, send: Callable[[str], list[dict[str, Any]]]) -> None:
        """Make an object of what ``send`` sends as parts of an upload; all of it, or nothing."""
        address = self._address(key)
        upload_id = self._client.create_multipart_upload(**address, ContentType=kind)["UploadId"]
        try:
            parts = send(upload_id)
            self._client.complete_multipart_upload(
                **address, UploadId=upload_id, MultipartUpload={"Parts": parts}
            )
        except BaseException:
            with _reaching(missing=True):
                self._client.abort_multipart_upload(**address, UploadId=upload_id)
            raise

    def _parts(self, upload: Upload) -> list[tuple[Part, str]]:
        """The parts that are there, each with what S3 knows its content by."""
        found: list[tuple[Part, str]] = []
        with _reaching(missing=True):
            pages = self._client.get_paginator("list_parts").paginate(
                **self._address(upload.key), UploadId=upload.token
            )
            for page in pages:
                for part in page.get("Parts", []):
                    sha256 = part.get("ChecksumSHA256")
                    known = base64.b64decode(sha256).hex() if sha256 else None
                    found.append((Part(part["PartNumber"], part["Size"], known), part["ETag"]))
        return found

    def _sign(
        self,
        method: str,
        key: str,
        *,
        until: int,
        query: dict[str, str],
        since: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> str:
        path = f"/{self._bucket}/{self._prefix}{key}" if self._by_path else f"/{self._prefix}{key}"
        at = int(time.time()) if since is None else since
        return presign(
            method,
            self.origin,
            path,
            self._keys(),
            self._region,
            at=at,
            seconds=max(1, until - at),
            query=query,
            headers=headers,
        )

    def _keys(self) -> Keys:
        """What links are signed with: the process' identity."""
        if "AWS_ACCESS_KEY_ID" in os.environ:  # as on Lambda
            return Keys(
                os.environ["AWS_ACCESS_KEY_ID"],
                os.environ.get("AWS_SECRET_ACCESS_KEY", ""),
                os.environ.get("AWS_SESSION_TOKEN", ""),
            )
        with _reaching():
            found = self._session.get_credentials()
            if found is None:
                raise FilesUnavailableError("There is no identity that could ask S3 for files.")
            frozen = found.get_frozen_credentials()
        return Keys(frozen.access_key, frozen.secret_key, frozen.token or "")

    def _address(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + key}

    @cached_property
    def _session(self) -> Any:
        from botocore.session import get_session

        return get_session()

    @cached_property
    def _client(self) -> Any:
        from botocore.config import Config

        config = Config(
            connect_timeout=2,
            read_timeout=20,
            retries={"mode": "standard", "total_max_attempts": 4},
            max_pool_connections=COPIES,
            s3={"addressing_style": "path" if self._by_path else "virtual"},
        )
        with self._lock:
            return self._session.create_client("s3", region_name=self._region, config=config)


class _Reader(io.RawIOBase):
    """An object's bytes in order. Where the connection is lost, another one goes on from there.

    Takes the client and the object's address. Raises FileNotFoundError, FilesUnavailableError.
    """

    def __init__(self, client: Any, address: dict[str, str]) -> None:
        super().__init__()
        self._client = client
        self._address = address
        self._position = 0
        self._match: dict[str, str] = {}
        self._body = self._from_here()

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Read some bytes, at the end none."""
        piece: bytes = self._piece(len(buffer))
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def close(self) -> None:
        """Give the connection back."""
        if not self.closed:
            self._body.close()
        super().close()

    def _piece(self, size: int) -> Any:
        from botocore.exceptions import (
            HTTPClientError,
            IncompleteReadError,
        )

        with _reaching():
            for _ in range(TRIES):
                try:
                    return self._body.read(size)
                except (HTTPClientError, IncompleteReadError):
                    self._body.close()
                    self._body = self._from_here()
            return self._body.read(size)

    def _from_here(self) -> Any:
        ranged = {"Range": f"bytes={self._position}-"} if self._position else {}
        with _reaching():
            try:
                answer = self._client.get_object(**self._address, **ranged, **self._match)
            except self._client.exceptions.NoSuchKey:
                raise FileNotFoundError(self._address["Key"]) from None
        self._match = {"IfMatch": answer["ETag"]}
        return answer["Body"]


@contextmanager
def _reaching(*, missing: bool = False) -> Iterator[None]:
    """Turns botocore's errors into ours. Takes whether it is fine when nothing is there."""
    try:
        yield
    except Exception as error:
        from botocore.exceptions import BotoCoreError, ClientError

        if not isinstance(error, BotoCoreError | ClientError):
            raise
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        if missing and code in MISSING:
            return
        raise FilesUnavailableError(f"S3 can't be used right now: {code}.") from error


def _checked(upload: Upload) -> bool:
    """Whether S3 checks the content: it has to know the checksum of each part before it comes."""
    return upload.part_size is None and upload.sha256 is not None


def _told(part: Part, tag: str) -> dict[str, Any]:
    checksum = {"ChecksumSHA256": _base64(part.sha256)} if part.sha256 else {}
    return {"PartNumber": part.number, "ETag": tag, **checksum}


def _base64(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode()
