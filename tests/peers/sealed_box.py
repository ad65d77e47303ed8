"""libsodium's own sealed boxes, through PyNaCl, as the other side of what keyrotor seals.

Reads one JSON request a line, answers one JSON line each; bytes are base64.

    {"do": "keys"}                                    -> {"public": ..., "private": ...}
    {"do": "open", "private": ..., "sealed": ...}     -> {"opened": ...}, or {"refused": true}
    {"do": "seal", "public": ..., "value": ...}       -> {"sealed": ...}
"""

import base64
import json
import sys

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox


def encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def keys(_request: dict) -> dict:
    private = PrivateKey.generate()
    return {"public": encode(bytes(private.public_key)), "private": encode(bytes(private))}


def open_box(request: dict) -> dict:
    box = SealedBox(PrivateKey(decode(request["private"])))
    try:
        return {"opened": encode(box.decrypt(decode(request["sealed"])))}
    except CryptoError:
        return {"refused": True}


def seal(request: dict) -> dict:
    box = SealedBox(PublicKey(decode(request["public"])))
    return {"sealed": encode(box.encrypt(decode(request["value"])))}


for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps({"keys": keys, "open": open_box, "seal": seal}[asked["do"]](asked)), flush=True)
