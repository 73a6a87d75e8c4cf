#!/usr/bin/env python3
"""Tries the configurations of docs/deploy.md with the real proxies.

Run as root, with the proxies of Debian, iproute2 and openssl installed:

    tests/proxies/check.py [--quick] [nginx] [caddy] [haproxy] [apache]

Everything runs in a network of its own, and on a copy of /etc and /var/log that is gone afterwards. `--quick` leaves out the
silent minutes. Needs `cargo build` before it.
"""

import asyncio
import base64
import glob
import json
import os
import pathlib
import re
import shutil
import signal
import ssl
import struct
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = "chat.example.org"
LIVE = pathlib.Path(f"/etc/letsencrypt/live/{NAME}")
FIRST_LINE = "GET {path} HTTP/1.1\r\nHost: " + NAME + "\r\n"
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
SILENCE = 130
MESSAGES = 3000
MANY = 1000


def block(language):
    page = (ROOT / "docs/deploy.md").read_text()
    return re.search(rf"```{language}\n(.*?)```", page, re.S).group(1)


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def prepare(work):
    """A network of its own, and copies of the directories that are written to."""
    run("ip", "link", "set", "lo", "up")
    run("mount", "-t", "tmpfs", "tmpfs", work)
    for directory in ["/etc", "/var/log", "/run"]:
        upper, copy = f"{work}{directory}/upper", f"{work}{directory}/work"
        os.makedirs(upper), os.makedirs(copy)
        run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={directory},upperdir={upper},workdir={copy}", directory)
    with open("/etc/hosts", "a") as hosts:
        hosts.write(f"127.0.0.1 {NAME}\n")
    LIVE.mkdir(parents=True)
    certificate, key = LIVE / "fullchain.pem", LIVE / "privkey.pem"
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}",
        "-addext", f"subjectAltName=DNS:{NAME}", "-keyout", str(key), "-out", str(certificate))


def nginx():
    os.remove("/etc/nginx/sites-enabled/default")
    pathlib.Path("/etc/nginx/sites-enabled/coms").write_text(block("nginx"))
    return ["nginx", "-g", "daemon off;"]


def caddy():
    # Only how it comes by a certificate is not as it is in the field.
    pathlib.Path("/etc/caddy/Caddyfile").write_text(block("caddyfile").replace("{\n", "{\n\tlocal_certs\n\tskip_install_trust\n", 1))
    return ["caddy", "run", "--config", "/etc/caddy/Caddyfile"]


def haproxy():
    certificates = pathlib.Path("/etc/haproxy/certs")
    certificates.mkdir()
    both = (LIVE / "fullchain.pem").read_text() + (LIVE / "privkey.pem").read_text()
    (certificates / f"{NAME}.pem").write_text(both)
    os.makedirs("/run/haproxy", exist_ok=True)
    with open("/etc/haproxy/haproxy.cfg", "a") as configuration:
        configuration.write("\n" + block("haproxy"))
    return ["haproxy", "-db", "-f", "/etc/haproxy/haproxy.cfg"]


def apache():
    run("a2enmod", "-q", "proxy", "proxy_http", "ssl")
    pathlib.Path("/etc/apache2/sites-enabled/coms.conf").write_text(block("apache"))
    os.makedirs("/run/apache2", exist_ok=True)
    os.makedirs("/var/log/apache2", exist_ok=True)
    return ["apachectl", "-D", "FOREGROUND"]


PROXIES = {"nginx": nginx, "caddy": caddy, "haproxy": haproxy, "apache": apache}


TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname, TLS.verify_mode = False, ssl.CERT_NONE


async def opened(plain=False):
    if plain:
        return await asyncio.open_connection(NAME, 80)
    return await asyncio.open_connection(NAME, 443, ssl=TLS, server_hostname=NAME)


async def request(line, headers="", plain=False):
    """Status, headers and body of one answer; None for the body if it breaks off."""
    reader, writer = await opened(plain)
    writer.write(f"{line} HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n{headers}\r\n".encode())
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)).decode().lower()
    body = await asyncio.wait_for(body_of(reader, head), 120)
    writer.close()
    return int(head.split()[1]), head, body


async def body_of(reader, head):
    try:
        if "transfer-encoding: chunked" in head:
            body = b""
            while size := int(await reader.readuntil(b"\r\n"), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            return body
        length = re.search(r"content-length: (\d+)", head)
        return await (reader.readexactly(int(length.group(1))) if length else reader.read())
    except (asyncio.IncompleteReadError, OSError):
        return None


class Member:
    """A WebSocket client that answers pings and sends nothing else on its own."""

    @classmethod
    async def connect(cls, token):
        self = cls()
        self.reader, self.writer = await opened()
        self.writer.write((FIRST_LINE.format(path=f"/connect?token={token}") + UPGRADE + "\r\n").encode())
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 30)
        self.status = int(head.split()[1])
        return self

    async def frame(self):
        first, length = await self.reader.readexactly(2)
        if length == 126:
            (length,) = struct.unpack(">H", await self.reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", await self.reader.readexactly(8))
        return first & 15, await self.reader.readexactly(length)

    def write(self, opcode, payload):
        size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + struct.pack(">H", len(payload))
        self.writer.write(bytes([0x80 | opcode]) + size + bytes(4) + payload)

    async def next(self):
        """The next frame, in JSON, or the code with which the connection was closed."""
        while True:
            opcode, payload = await self.frame()
            if opcode == 9:
                self.write(10, payload)
            elif opcode == 8:
                return struct.unpack(">H", payload[:2])[0]
            else:
                return json.loads(payload)

    async def until(self, type_, deadline=60):
        async def wait():
            while True:
                frame = await self.next()
                if frame == type_ or (isinstance(frame, dict) and frame["t"] == type_):
                    return frame
        return await asyncio.wait_for(wait(), deadline)

    def post(self, text):
        envelope = {"t": "zync.channels.message.create", "id": text, "d": {"channel_id": "general", "content": text}}
        self.write(1, json.dumps(envelope).encode())


async def retry(attempt):
    deadline = time.monotonic() + 30
    while True:
        try:
            return await attempt()
        except (OSError, asyncio.IncompleteReadError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)


async def check(name, server, tokens, quick):
    status, head, body = await retry(lambda: request("GET /health"))
    assert status == 200 and json.loads(body)["status"] == "ok", (status, body)
    status, head, _ = await request("GET /health", plain=True)
    assert status in (301, 308) and f"location: https://{NAME}/health" in head, head
    status, head, body = await request("HEAD /manifest")
    assert status == 200, head
    status, head, _ = await request("OPTIONS /log-chain/entries", "Origin: https://other.example\r\n")
    assert status == 204 and "access-control-allow-origin: *" in head, head
    status, head, body = await request("GET /connect?token=bad")
    assert status == 401 and json.loads(body)["error"] == "invalid_token" and "access-control" in head, head
    # `PUBLIC_URL` is not set here: the own origin is known by the `Host` that the proxy passes on.
    own = await request(f"GET /connect?token={tokens[0]}", f"Origin: https://{NAME}\r\n")
    assert own[0] == 426, own

    ada, bob = await Member.connect(tokens[0]), await Member.connect(tokens[1])
    assert ada.status == 101, ada.status
    await ada.until("zync.core.hello"), await bob.until("zync.core.hello")
    for number in range(MESSAGES):
        ada.post(f"message {number}")
        if number % 100 == 99:
            for _ in range(100):
                await ada.until("zync.channels.message.create.ok")
    status, _, body = await request("GET /log-chain/entries")
    assert status == 200 and body.count(b"\n") == MESSAGES, (status, body and len(body))

    if not quick:
        silent = asyncio.gather(ada.until("zync.core.pong", SILENCE * 2), bob.until("zync.core.pong", SILENCE * 2))
        await asyncio.sleep(SILENCE)
        for member in (ada, bob):
            member.write(1, b'{"t":"zync.core.ping"}')
        await silent
    print(f"{name}: {'a request and an answer' if quick else f'{SILENCE} s of silence'}: fine", flush=True)

    many = await asyncio.gather(*(asyncio.wait_for(Member.connect(tokens[0]), 20) for _ in range(MANY)),
                                return_exceptions=True)
    members = [member for member in many if isinstance(member, Member) and member.status == 101]
    others = {str(getattr(other, "status", repr(other))) for other in many if other not in members}
    print(f"{name}: {len(members)} of {MANY} more members connected at the same time; others: {others or 'none'}", flush=True)
    for member in members:
        member.writer.transport.abort()
    await asyncio.sleep(1)

    # A server that stops: members are told, and what is broken off does not look whole.
    reader, writer = await opened()
    writer.transport.set_write_buffer_limits(0)
    writer.write((FIRST_LINE.format(path="/log-chain/entries") + "\r\n").encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    server.send_signal(signal.SIGTERM)
    assert await ada.until(1001) == 1001
    rest = await body_of(reader, head)
    says_so = rest is not None and rest.endswith(b'{"error":"broken_off"}')
    assert rest is None or says_so or rest.count(b"\n") == MESSAGES, f"{len(rest)} bytes look whole"
    seen = "breaks" if rest is None else "says so" if says_so else "was whole before"
    print(f"{name}: members are closed with 1001; a stream that is cut {seen}", flush=True)


def start_server():
    command = [str(ROOT / "target/debug/coms"), "dev", "--ephemeral", "--json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=open("/var/log/coms.log", "w"))
    told = json.loads(server.stdout.readline())
    assert told["server_url"].endswith(":3000"), told
    return server, [person["token"] for person in told["people"]]


def confined(name, quick, work):
    prepare(work)
    command = PROXIES[name]()
    server, tokens = start_server()
    environment = dict(os.environ, HOME=work, XDG_DATA_HOME=work)
    proxy = subprocess.Popen(command, env=environment, stdout=open("/var/log/proxy.log", "w"), stderr=subprocess.STDOUT)
    try:
        asyncio.run(check(name, server, tokens, quick))
        # The server is gone: what is logged of that has no token either.
        asyncio.run(request(f"GET /connect?token={tokens[0]}"))
        logs = [path for path in glob.glob("/var/log/**", recursive=True) if os.path.isfile(path)]
        leaks = [path for path in logs if tokens[0][:40].encode() in pathlib.Path(path).read_bytes()]
        assert not leaks, leaks
    except BaseException:
        sys.stderr.write(pathlib.Path("/var/log/proxy.log").read_text()[-3000:])
        raise
    finally:
        for process in (proxy, server):
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["--confined"]:
        return confined(arguments[1], arguments[2] == "quick", arguments[3])
    quick = "--quick" in arguments
    for name in [name for name in arguments if name in PROXIES] or PROXIES:
        work = f"/tmp/coms-proxies-{os.getpid()}"
        os.makedirs(work)
        try:
            inner = [sys.executable, __file__, "--confined", name, "quick" if quick else "whole", work]
            subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", *inner], check=True)
        finally:
            shutil.rmtree(work)


main()
