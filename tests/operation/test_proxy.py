"""The proxy in front of the UI, in a real nginx: nobody passes without the password, and the UI never sees it."""

import base64
import hashlib
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from crypto_features import clock

DEPLOY = Path(__file__).parents[2] / "deploy"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
MAIN = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


class _Ui(BaseHTTPRequestHandler):
    """Answers with the Authorization header that it was sent, and accepts every upgrade."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("Upgrade") == "websocket":
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            self.close_connection = True
            return
        body = str(self.headers.get("Authorization")).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def certificate(folder: Path) -> None:
    """A certificate of this machine, signed by itself."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "proxy")])
    now = clock.now()
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    signed = built.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "fullchain.pem").write_bytes(signed.sign(key, hashes.SHA256()).public_bytes(pem))
    (folder / "privkey.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[int]:
    """Port of an nginx with our configuration in front of a web server."""
    if NGINX is None:
        pytest.skip("nginx is not installed: the proxy of deploy/ is not tried")
    ui = ThreadingHTTPServer(("127.0.0.1", 0), _Ui)
    threading.Thread(target=ui.serve_forever, daemon=True).start()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    certificate(tmp_path)
    digest = base64.b64encode(hashlib.sha1(b"right", usedforsecurity=False).digest()).decode()
    (tmp_path / "htpasswd").write_text(f"operator:{{SHA}}{digest}\n")
    site = (DEPLOY / "nginx.conf").read_text()
    for shipped, here in {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/nginx/tls": str(tmp_path),
        "/etc/nginx/crypto-features.htpasswd": str(tmp_path / "htpasswd"),
        "127.0.0.1:3000": f"127.0.0.1:{ui.server_port}",
    }.items():
        assert shipped in site
        site = site.replace(shipped, here)
    (tmp_path / "site.conf").write_text(site)
    # Started as root, nginx would read the passwords as a user whom pytest locks out of its folders.
    user = "user root;" if os.geteuid() == 0 else ""
    (tmp_path / "nginx.conf").write_text(MAIN.format(folder=tmp_path, user=user))
    with subprocess.Popen([NGINX, "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]) as server:
        try:
            for _ in range(100):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert server.poll() is None, "nginx refused its configuration"
                time.sleep(0.05)
            yield port
        finally:
            server.terminate()
            ui.shutdown()
            ui.server_close()


def get(port: int, headers: dict[str, str], password: str | None) -> tuple[int, bytes, str | None]:
    """Status, body and the header that forbids frames."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if password is not None:
        headers = headers | {"Authorization": f"Basic {base64.b64encode(f'operator:{password}'.encode()).decode()}"}
    with closing(http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)) as connection:
        connection.request("GET", "/", headers=headers)
        with connection.getresponse() as answer:
            return answer.status, answer.read(), answer.headers["X-Frame-Options"]


def test_only_the_password_opens_the_ui_which_never_sees_it(proxy: int) -> None:
    assert get(proxy, {}, None)[0] == 401
    assert get(proxy, {}, "wrong")[0] == 401
    assert get(proxy, {}, "right") == (200, b"None", "DENY")


def test_live_updates_pass_through_to_who_has_logged_in(proxy: int) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert get(proxy, upgrade, None)[0] == 401
    assert get(proxy, upgrade, "right")[0] == 101


def test_the_proxy_of_compose_is_the_same_but_for_where_the_ui_is() -> None:
    alone, composed = ((DEPLOY / name).read_text() for name in ("nginx.conf", "compose/nginx.conf"))
    assert composed == alone.replace("127.0.0.1:3000", "web:3000")
