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
from contextlib import closing, contextmanager
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

    def do_POST(self) -> None:
        self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


class _Features(_Ui):
    """Answers with the path and the Authorization header that it was sent."""

    def do_GET(self) -> None:
        body = f"{self.path} {self.headers.get('Authorization')}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def certificate(folder: Path) -> None:
    """A certificate of this machine, signed by itself."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "proxy")])
    now = clock.now()
    built = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    signed = built.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "fullchain.pem").write_bytes(signed.sign(key, hashes.SHA256()).public_bytes(pem))
    (folder / "privkey.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))


class Names(threading.Thread):
    """A resolver that knows one name, whatever it is asked for."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.address = "127.0.0.1"
        self._socket = socket.socket(type=socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]

    def run(self) -> None:
        while True:
            question, asker = self._socket.recvfrom(512)
            # The question's number and text, as an answer with one A record that is valid for a second.
            record = b"\xc0\x0c\0\x01\0\x01" + (1).to_bytes(4, "big") + b"\0\x04" + socket.inet_aton(self.address)
            self._socket.sendto(question[:2] + b"\x81\x80\0\x01\0\x01\0\0\0\0" + question[12:] + record, asker)


@pytest.fixture(scope="module")
def names() -> Names:
    names = Names()
    names.start()
    return names


@contextmanager
def web_server(address: str, port: int = 0, kind: type[_Ui] = _Ui) -> Iterator[int]:
    """What stands for the UI, or for the server of the features, and its port."""
    ui = ThreadingHTTPServer((address, port), kind)
    threading.Thread(target=ui.serve_forever, daemon=True).start()
    try:
        yield ui.server_port
    finally:
        ui.shutdown()
        ui.server_close()


@contextmanager
def nginx(folder: Path, shipped: str, changes: dict[str, str]) -> Iterator[int]:
    """Port of an nginx with a configuration of ours, changed to what is here."""
    if NGINX is None:
        pytest.skip("nginx is not installed: the proxy of deploy/ is not tried")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    certificate(folder)
    digest = base64.b64encode(hashlib.sha1(b"right", usedforsecurity=False).digest()).decode()
    (folder / "htpasswd").write_text(f"operator:{{SHA}}{digest}\n")
    site = (DEPLOY / shipped).read_text()
    for there, here in {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "/etc/nginx/tls": str(folder),
        "/etc/nginx/crypto-features.htpasswd": str(folder / "htpasswd"),
        **changes,
    }.items():
        assert there in site
        site = site.replace(there, here)
    (folder / "site.conf").write_text(site)
    # Started as root, nginx would read the passwords as a user whom pytest locks out of its folders.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
    with subprocess.Popen([NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")]) as server:
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


def composed(names: Names, ui: int, features: int = 6566) -> dict[str, str]:
    """What stands for Docker's resolver and for the containers of the UI and of the server."""
    resolver = f"resolver 127.0.0.1:{names.port} valid=1s"
    ports = {"http://web:3000": f"http://web:{ui}", "http://serve:6566": f"http://serve:{features}"}
    return {"resolver 127.0.0.11 valid=10s": resolver, **ports}


@pytest.fixture(params=["nginx.conf", "compose/nginx.conf"])
def proxy(request: pytest.FixtureRequest, tmp_path: Path, names: Names) -> Iterator[int]:
    """Port of an nginx with our configuration in front of a web server, on a host or in Compose."""
    with web_server("127.0.0.1") as ui, web_server("127.0.0.1", kind=_Features) as features:
        changes = {"127.0.0.1:3000": f"127.0.0.1:{ui}", "127.0.0.1:6566": f"127.0.0.1:{features}"}
        if request.param != "nginx.conf":
            changes = composed(names, ui, features)
        with nginx(tmp_path, request.param, changes) as port:
            yield port


def get(
    port: int, headers: dict[str, str], password: str | None, path: str = "/", method: str = "GET"
) -> tuple[int, bytes, str | None]:
    """Status, body and the header that forbids frames."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if password is not None:
        headers = headers | {"Authorization": f"Basic {base64.b64encode(f'operator:{password}'.encode()).decode()}"}
    with closing(http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)) as connection:
        connection.request(method, path, headers=headers)
        with connection.getresponse() as answer:
            return answer.status, answer.read(), answer.headers["X-Frame-Options"]


def test_only_the_password_opens_the_ui_which_never_sees_it(proxy: int) -> None:
    assert get(proxy, {}, None)[0] == 401
    assert get(proxy, {}, "wrong")[0] == 401
    assert get(proxy, {}, "right") == (200, b"None", "DENY")


def test_a_bot_reaches_the_server_with_its_token_and_without_the_password(proxy: int) -> None:
    token = {"Authorization": "Bearer s3cret"}
    assert get(proxy, token, None, "/online/freshness?a=1")[:2] == (200, b"/freshness?a=1 Bearer s3cret")
    assert get(proxy, token, None, "/online/../runs")[0] == 401, "nothing else is reached so"
    assert get(proxy, {"Origin": "https://evil.example"}, None, "/online/online-features", "POST")[0] == 403
    assert get(proxy, {}, None, "/online/online-features", "POST")[0] == 204


def test_live_updates_pass_through_to_who_has_logged_in(proxy: int) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert get(proxy, upgrade, None)[0] == 401
    assert get(proxy, upgrade, "right")[0] == 101


FORGED = [
    ("POST", "/report_asset_materialization/candles", {"Origin": "https://evil.example"}),
    ("POST", "/graphql", {"Origin": "null"}),
    ("POST", "/graphql", {"Sec-Fetch-Site": "cross-site"}),
    ("POST", "/graphql", {"Sec-Fetch-Site": "same-site", "Origin": "https://other.example"}),
    ("GET", "/graphql", {"Connection": "Upgrade", "Upgrade": "websocket", "Origin": "https://evil.example"}),
]


@pytest.mark.parametrize(("method", "path", "headers"), FORGED)
def test_what_a_foreign_page_could_send_is_refused(proxy: int, method: str, path: str, headers: dict[str, str]) -> None:
    assert get(proxy, headers, "right", path, method)[0] == 403


@pytest.mark.parametrize("path", ["/graphql", "/graphql/", "/graphql?query=mutation+%7B+wipe+%7D"])
def test_graphql_is_not_answered_by_get(proxy: int, path: str) -> None:
    assert get(proxy, {"Accept": "*/*"}, "right", path)[0] == 405
    assert get(proxy, {}, "right", path)[0] == 405
    assert get(proxy, {"Accept": "text/html,*/*"}, "right", path)[0] == 200, "the page on which a person asks"


def test_the_ui_itself_links_from_elsewhere_and_programs_pass(proxy: int) -> None:
    own = {"Origin": f"https://127.0.0.1:{proxy}", "Sec-Fetch-Site": "same-origin"}
    assert get(proxy, own, "right", "/graphql", "POST")[0] == 204
    assert get(proxy, own | {"Connection": "Upgrade", "Upgrade": "websocket"}, "right", "/graphql")[0] == 101
    assert get(proxy, {"Sec-Fetch-Site": "cross-site"}, "right", "/runs")[0] == 200
    assert get(proxy, {}, "right", "/report_asset_materialization/candles", "POST")[0] == 204


def test_a_container_that_was_created_again_is_found_at_its_new_address(
    tmp_path: Path, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    with web_server("127.0.0.1") as ui, nginx(tmp_path, "compose/nginx.conf", composed(names, ui)) as port:
        assert get(port, {}, "right")[0] == 200
        monkeypatch.setattr(names, "address", "127.0.0.2")
        old, deadline = 200, time.monotonic() + 10
        while old == 200 and time.monotonic() < deadline:
            old = get(port, {}, "right")[0]
        assert old == 502, "it is asked for at its new address, where nobody listens yet"
        with web_server("127.0.0.2", ui):
            assert get(port, {}, "right")[0] == 200


def test_the_proxy_of_compose_is_the_same_but_for_how_the_ui_is_found() -> None:
    alone, composed = ((DEPLOY / name).read_text() for name in ("nginx.conf", "compose/nginx.conf"))
    expected, blocks = alone[: alone.index("upstream ")], composed.split("        # By Docker")[1:]
    for name, block in zip(("feature-server", "dagster-web"), blocks, strict=True):
        resolved = "        # By Docker" + block[: block.index("        proxy_http_version")]
        assert [line.split()[0] for line in resolved.splitlines()] == ["#", "resolver", "set", "proxy_pass"]
        expected = expected.replace(f"        proxy_pass http://{name};\n", resolved)
    assert composed == expected
