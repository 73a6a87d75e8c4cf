#!/usr/bin/env python3
"""An independent verifier of a Zync log chain: standard library and `cryptography`, written from docs/log-chain.md and
docs/export.md alone.

    verify_chain.py PUBLIC_KEY_HEX < entries.ndjson
    verify_chain.py PUBLIC_KEY_HEX < export.jsonl

reads full entries, one JSON object a line, or a whole export, whose messages it compares with their entries; and prints `{"verdict": "intact" | "broken", "entries": n, "breaks": [...]}`
with each break's `index` and `kind`. Exit code 0 or 1.
"""

import base64
import hashlib
import json
import struct
import sys
import uuid
from datetime import datetime, timedelta, timezone

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


def unix_ms(text):
    """Milliseconds of an RFC 3339 time in UTC; None if it is not one in the form of an export."""
    try:
        time = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    return (time - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)


def content_hash(text):
    return hashlib.sha256(text.encode()).hexdigest()


def compare_message(message, entries, adopted, breaks):
    """What a message says and shows, against the entries that it names."""

    def compare(index, text, kind, time=None):
        entry = entries.get(index)
        if entry is None or entry["message_id"] != message["id"]:
            breaks.append({"index": index, "kind": "missing_entry"})
        elif entry["content_hash"] != content_hash(text):
            breaks.append({"index": index, "kind": kind})
        elif time is not None and index >= adopted and unix_ms(time) != entry["timestamp"]:
            breaks.append({"index": index, "kind": "timestamp"})

    first = message.get("entry", message["chain_index"])
    latest = message.get("latest_chain_index", first)
    compare(latest, message["content"], "content", message["updated_at"])
    if "deleted_at" in message and unix_ms(message["deleted_at"]) != unix_ms(message["updated_at"]) and latest >= adopted:
        breaks.append({"index": latest, "kind": "timestamp"})
    for text, index in zip(message.get("edit_history", []), message.get("edit_history_entries", [])):
        if index is not None:
            compare(index, text, "history")
    entry = entries.get(first)
    if entry is not None and first >= adopted:
        if unix_ms(message["created_at"]) != entry["timestamp"]:
            breaks.append({"index": first, "kind": "timestamp"})
        if base64.b64decode(message["chain_hash"]).hex() != entry["hash"]:
            breaks.append({"index": first, "kind": "content"})


def verify_export(key, lines):
    lines = [json.loads(line) for line in lines]
    of_type = lambda name: [line for line in lines if line["type"] == name]
    entries = of_type("entry")
    count, breaks = verify(key, (json.dumps(entry) for entry in entries))
    by_index = {entry["index"]: entry for entry in entries}
    for message in of_type("message"):
        compare_message(message, by_index, of_type("header")[0].get("adopted_length", 0), breaks)
    return count, breaks


def main():
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(sys.argv[1]))
    lines = sys.stdin.read().splitlines()
    is_export = bool(lines) and "type" in json.loads(lines[0])
    count, breaks = verify_export(key, lines) if is_export else verify(key, lines)
    print(json.dumps({"verdict": "broken" if breaks else "intact", "entries": count, "breaks": breaks}))
    return 1 if breaks else 0


if __name__ == "__main__":
    sys.exit(main())
