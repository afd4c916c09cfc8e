"""An admission webhook of a real HTTPS server, which lets nobody set a Service of one namespace to Cluster."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from devcluster import Cluster
from devcluster.objects import wait_for

WORDS = "client addresses are needed here"
_PATH = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


class Webhook:
    """In force for the length of the block, or until `remove`. `asked` holds each AdmissionRequest about a patch
    of etpguard's."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.asked: list[dict[str, Any]] = []
        self._cluster = cluster
        self._namespace = namespace
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._answer))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*cluster.certificate("webhook", ["127.0.0.1"]))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="webhook")
        self._closed = False

    def __enter__(self) -> Self:
        self._thread.start()
        labels = {"metadata": {"labels": {"deny": self._namespace}}}
        self._cluster.call("PATCH", f"/api/v1/namespaces/{self._namespace}", labels)
        self._cluster.call("POST", _PATH, self._configuration())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.remove()
        self.go_down()

    def remove(self) -> None:
        """Takes its configuration away."""
        self._cluster.request("DELETE", f"{_PATH}/{self._namespace}")

    def go_down(self) -> None:
        """Its server is gone; what it was to be asked about fails."""
        if not self._closed:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._closed = True

    def wait_for(self, service: str) -> None:
        """Until the API server asks it, or fails to, about a Service of that path."""
        wait_for(lambda: not self._allowed(service), 60, "the webhook to be in force")

    def _allowed(self, service: str) -> bool:
        body = {"spec": {"externalTrafficPolicy": "Cluster"}}
        return self._cluster.request("PATCH", f"{service}?dryRun=All", body).ok

    def _answer(self, review: dict[str, Any]) -> dict[str, Any]:
        request = review["request"]
        if request["options"].get("fieldManager") == "etpguard-remediation":
            self.asked.append(request)
        allowed = request["object"]["spec"].get("externalTrafficPolicy") != "Cluster"
        response = {"uid": request["uid"], "allowed": allowed, "status": {"message": WORDS}}
        return {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}

    def _configuration(self) -> dict[str, Any]:
        rule = {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["UPDATE"],
            "resources": ["services"],
        }
        return {
            "metadata": {"name": self._namespace},
            "webhooks": [
                {
                    "name": "addresses.example.com",
                    "clientConfig": {
                        "url": f"https://127.0.0.1:{self._server.server_port}/",
                        "caBundle": base64.b64encode(self._cluster.ca.read_bytes()).decode(),
                    },
                    "rules": [rule],
                    "namespaceSelector": {"matchLabels": {"deny": self._namespace}},
                    "failurePolicy": "Fail",
                    "sideEffects": "None",
                    "admissionReviewVersions": ["v1"],
                    "timeoutSeconds": 2,
                }
            ],
        }


def _handler(answer: Any) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(answer(review)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *words: Any) -> None:  # noqa: A002
            """Nothing."""

    return Handler
