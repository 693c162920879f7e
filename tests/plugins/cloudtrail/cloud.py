"""A cloud on this machine for tests: an S3, SQS and SNS server, and in front of it one that fails now and then."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

#: What becomes of a request: how often it was made before decides whether it fails.
Fault = Callable[["Flaky", "Handler", int], bool]
REGION = "us-east-1"
KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": REGION}


class Cloud:
    """Clients of the server for putting things there, straight and without failures."""

    def __init__(self, url: str) -> None:
        import boto3

        self.url = url
        self.s3 = boto3.client("s3", endpoint_url=url, **KEYS)
        self.sqs = boto3.client("sqs", endpoint_url=url, **KEYS)
        self.sns = boto3.client("sns", endpoint_url=url, **KEYS)

    def bucket(self, name: str, objects: Mapping[str, bytes]) -> str:
        self.s3.create_bucket(Bucket=name)
        for key, data in objects.items():
            self.s3.put_object(Bucket=name, Key=key, Body=data)
        return name

    def fill(self, name: str, objects: Mapping[str, bytes]) -> str:
        """A bucket of many small objects, put there without the SDK, which is slow."""
        self.s3.create_bucket(Bucket=name)
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc)
        for key, data in objects.items():
            connection.request("PUT", f"/{name}/{key}", data, {"Authorization": "AWS testing:x"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200
        connection.close()
        return name

    def queue(self, name: str, *bodies: str, **attributes: str) -> str:
        url: str = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        for body in bodies:
            self.sqs.send_message(QueueUrl=url, MessageBody=body)
        return url

    def messages(self, url: str) -> tuple[int, int]:
        """How many messages of a queue can be received, and how many have been and may come back."""
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        values = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names))["Attributes"]
        return int(values[names[0]]), int(values[names[1]])


def notice(bucket: str, *keys: str) -> str:
    """What CloudTrail has SNS put into a queue."""
    return json.dumps({"Type": "Notification", "Message": json.dumps({"s3Bucket": bucket, "s3ObjectKey": keys})})


class Handler(BaseHTTPRequestHandler):
    """Hands a request on to the real server, unless the fault has answered it."""

    protocol_version = "HTTP/1.1"
    server: Flaky
    body: bytes

    def handle_one(self) -> None:
        body = self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        what = self.headers.get("X-Amz-Target", "").rpartition(".")[2] or f"{self.command} {self.path}"
        with self.server.lock:
            before = self.server.seen[what]
            self.server.seen[what] += 1
            self.server.requests.append((what, body))
        if self.server.fault(self.server, self, before):
            return
        status, headers, data = self.forward()
        self.answer(status, data, headers)

    do_GET = do_POST = do_PUT = handle_one  # noqa: N815 - the names the standard library asks for

    def forward(self) -> tuple[int, dict[str, str], bytes]:
        """What the real server answers."""
        return self.server.forwarded(self.command, self.path, self.body, dict(self.headers))

    def answer(self, status: int, data: bytes, headers: Mapping[str, str] | None = None, length: int = -1) -> None:
        self.send_response_only(status)
        for name, value in (headers or {"Content-Type": "application/xml"}).items():
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data) if length < 0 else length))
        self.end_headers()
        self.wfile.write(data)

    def reset(self) -> None:
        """End the connection with a reset."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.shutdown(socket.SHUT_RD)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name the standard library has
        pass


class Flaky(ThreadingHTTPServer):
    """A server in front of another. ``requests`` are those made so far: S3 by method and path, SQS by action."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, target: str, fault: Fault) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.fault = fault
        self.lock = threading.Lock()
        self.seen: Counter[str] = Counter()
        self.requests: list[tuple[str, bytes]] = []
        self.faults: Counter[str] = Counter()
        self._target = urlsplit(target).netloc
        self._local = threading.local()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def forwarded(
        self, method: str, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self._target)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is none of our business."""

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
