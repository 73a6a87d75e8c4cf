#!/usr/bin/env python3
"""An independent verifier of a Zync log chain: standard library and `cryptography`, written from docs/log-chain.md alone.

    verify_chain.py PUBLIC_KEY_HEX < entries.ndjson

reads full entries, one JSON object a line, and prints `{"verdict": "intact" | "broken", "entries": n, "breaks": [...]}`
with each break's `index` and `kind`. Exit code 0 or 1.
"""

import hashlib
import json
import struct
import sys
import uuid

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MAX_STEP_BACK_MS = 1000


def recomputed(entry):
    """Hash(n) = SHA-256(n ‖ message id ‖ time ‖ Hash(n-1) ‖ content hash), numbers as big-endian u64."""
    data = struct.pack(">Q", entry["index"])
    data += uuid.UUID(entry["message_id"]).bytes
    data += struct.pack(">Q", entry["timestamp"])
    data += bytes.fromhex(entry["prev_hash"]) + bytes.fromhex(entry["content_hash"])
    return hashlib.sha256(data).hexdigest()


def verify(key, lines):
    breaks, due, link, time, count = [], 0, "00" * 32, None, 0
    for line in lines:
        entry = json.loads(line)
        index = entry["index"]
        count += 1
        if index != due:
            breaks.append({"index": min(index, due), "kind": "gap"})
        elif entry["prev_hash"] != link:
            breaks.append({"index": index, "kind": "prev_hash"})
        if recomputed(entry) != entry["hash"]:
            breaks.append({"index": index, "kind": "hash"})
        if time is not None and time - entry["timestamp"] > MAX_STEP_BACK_MS:
            breaks.append({"index": index, "kind": "timestamp"})
        try:
            key.verify(bytes.fromhex(entry["signature"]), bytes.fromhex(entry["hash"]))
        except InvalidSignature:
            breaks.append({"index": index, "kind": "signature"})
        due, link, time = index + 1, entry["hash"], entry["timestamp"]
    return count, breaks


def main():
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(sys.argv[1]))
    count, breaks = verify(key, sys.stdin)
    print(json.dumps({"verdict": "broken" if breaks else "intact", "entries": count, "breaks": breaks}))
    return 1 if breaks else 0


if __name__ == "__main__":
    sys.exit(main())
