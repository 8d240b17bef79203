"""What can be wrong with a container: every finding a format reader makes, as data.

``unreadable`` where the file could not be read to its end, ``malicious`` where no honest writer
makes it and a loader would reach memory or code through it, ``suspicious`` for the rest.
"""

from __future__ import annotations

from typing import NamedTuple

from scanner.report import Finding, Severity

_NOTE, _SUSPICIOUS = Severity.NOTE, Severity.SUSPICIOUS
_UNREADABLE, _MALICIOUS = Severity.UNREADABLE, Severity.MALICIOUS


class Anomaly(NamedTuple):
    severity: Severity
    message: str


ANOMALIES: dict[str, Anomaly] = {
    # Any file
    "empty-file": Anomaly(_UNREADABLE, "The file is empty."),
    "unknown-format": Anomaly(_UNREADABLE, "No reader knows this kind of file."),
    "unsupported-archive": Anomaly(_UNREADABLE, "A kind of archive that is not read."),
    "foreign-file": Anomaly(_UNREADABLE, "A kind of file that is no model, and is not read."),
    "unreadable": Anomaly(_UNREADABLE, "The file could not be read to its end."),
    "limit-reached": Anomaly(_UNREADABLE, "A limit ran out while the file was read."),
    "engine-error": Anomaly(_UNREADABLE, "The scanner failed on this file."),
    "polyglot": Anomaly(_SUSPICIOUS, "The bytes can be read as more than one kind of file."),
    "bytes-left-over": Anomaly(_SUSPICIOUS, "Bytes that no part of the file accounts for."),
    "nested-too-deep": Anomaly(_UNREADABLE, "Containers are nested too deep."),
    "hidden-pickle": Anomaly(_SUSPICIOUS, "A pickle where none belongs."),
    "pickle-in-storage": Anomaly(_SUSPICIOUS, "A tensor's bytes are a pickle that names objects."),
    "picture": Anomaly(_SUSPICIOUS, "A picture, not a model."),
    "picture-embedding": Anomaly(_NOTE, "An embedding inside a picture."),
    "picture-chunk": Anomaly(_SUSPICIOUS, "A part of the picture that no picture needs."),
    "picture-broken": Anomaly(_UNREADABLE, "The picture is broken or cut off."),
    "text": Anomaly(_SUSPICIOUS, "Text, not a model."),
    "program-text": Anomaly(_SUSPICIOUS, "The text is a program or a script."),
    # configurations
    "config": Anomaly(_NOTE, "A configuration, not a model."),
    "config-target": Anomaly(
        _MALICIOUS, "A configuration has its loader call a name that runs or loads code."
    ),
    "config-unknown-target": Anomaly(
        _SUSPICIOUS, "A configuration has its loader call a name that is not on the list."
    ),
    "config-tag": Anomaly(_SUSPICIOUS, "A YAML tag asks for an object that no model needs."),
    "config-code": Anomaly(
        _MALICIOUS, "A configuration carries code that its loader runs (CVE-2024-3660)."
    ),
    "config-remote-code": Anomaly(
        _SUSPICIOUS, "A configuration asks for code that comes with the model."
    ),
    "config-unread": Anomaly(
        _SUSPICIOUS, "The text names things to make, and cannot be read as a configuration."
    ),
    # zip
    "zip-no-directory": Anomaly(_UNREADABLE, "A zip archive without its directory: cut off."),
    "zip-empty": Anomaly(_NOTE, "The archive holds nothing."),
    "zip-broken-record": Anomaly(_UNREADABLE, "A zip record is cut off or broken."),
    "zip-two-directories": Anomaly(
        _SUSPICIOUS, "Two zip readers would find different directories in this file."
    ),
    "zip-prefix": Anomaly(_SUSPICIOUS, "Bytes stand before the zip archive."),
    "zip-trailing": Anomaly(_SUSPICIOUS, "Bytes stand behind the zip archive."),
    "zip-comment": Anomaly(_SUSPICIOUS, "The archive or a member carries a comment."),
    "zip-extra": Anomaly(_SUSPICIOUS, "A record carries a field that no zip writer makes."),
    "zip-duplicate": Anomaly(
        _SUSPICIOUS, "Two members share a name: readers disagree on which one counts."
    ),
    "zip-case-duplicate": Anomaly(
        _SUSPICIOUS, "Two members differ in case only: torch takes them for the same."
    ),
    "zip-name-mismatch": Anomaly(
        _SUSPICIOUS, "A member has one name in the directory and another before its data."
    ),
    "zip-record-mismatch": Anomaly(
        _SUSPICIOUS, "The directory and the member's own header contradict each other."
    ),
    "zip-flags": Anomaly(_SUSPICIOUS, "A member carries flags that readers treat differently."),
    "zip-encrypted": Anomaly(_UNREADABLE, "A member is encrypted."),
    "zip-method": Anomaly(_UNREADABLE, "A member is packed in a way that cannot be read."),
    "zip-odd-method": Anomaly(_SUSPICIOUS, "A member is packed in a way torch never uses."),
    "zip-overlap": Anomaly(_SUSPICIOUS, "Members overlap: the same bytes are served twice."),
    "zip-hidden-member": Anomaly(_SUSPICIOUS, "A member that the directory does not list."),
    "zip-unsafe-name": Anomaly(_SUSPICIOUS, "A member's name leads out of the archive."),
    "zip-link": Anomaly(_SUSPICIOUS, "A member is a symbolic link."),
    "zip-bomb": Anomaly(_SUSPICIOUS, "A member unpacks to far more than its packed size."),
    "zip-crc": Anomaly(_UNREADABLE, "A member's bytes do not match their checksum."),
    "zip-too-many": Anomaly(_UNREADABLE, "More members than the limit allows."),
    "unknown-member": Anomaly(_SUSPICIOUS, "A member that no torch file has."),
    "text-member": Anomaly(_NOTE, "A text member beside the model."),
    # tar
    "tar-broken": Anomaly(_UNREADABLE, "The tar archive is cut off or broken."),
    "tar-link": Anomaly(_SUSPICIOUS, "A tar member is a link or a special file."),
    "tar-unsafe-name": Anomaly(_SUSPICIOUS, "A tar member's name leads out of the archive."),
    "tar-duplicate": Anomaly(_SUSPICIOUS, "Two tar members share a name."),
    "torch-tar": Anomaly(
        _SUSPICIOUS, "The old tar format is unpickled even with weights_only (CVE-2025-32434)."
    ),
    # torch
    "torchscript": Anomaly(_SUSPICIOUS, "The archive carries TorchScript code."),
    "legacy-broken": Anomaly(_UNREADABLE, "The legacy torch file breaks its own layout."),
    "truncated": Anomaly(_UNREADABLE, "The file ends before its tensors do."),
    "storage-missing": Anomaly(_SUSPICIOUS, "A storage that a tensor needs is not in the file."),
    "storage-size": Anomaly(_SUSPICIOUS, "A storage's record is larger than the storage."),
    "storage-padding": Anomaly(_NOTE, "A storage's record is a little larger than the storage."),
    "storage-unused": Anomaly(_NOTE, "A storage that no tensor uses."),
    "storage-alias": Anomaly(
        _SUSPICIOUS, "One storage is used with two element types or two sizes."
    ),
    "storage-key": Anomaly(_MALICIOUS, "A storage's key is a path."),
    "storage-bounds": Anomaly(_MALICIOUS, "A storage claims more bytes than its record has."),
    "tensor-bounds": Anomaly(_MALICIOUS, "A tensor reaches beyond its storage."),
    "tensor-shape": Anomaly(_MALICIOUS, "A tensor's size, stride or offset is not sane."),
    "tensor-arguments": Anomaly(_SUSPICIOUS, "A tensor is built from arguments of a wrong kind."),
    "tensor-duplicate": Anomaly(_SUSPICIOUS, "Two tensors share a name."),
    "too-many-tensors": Anomaly(_UNREADABLE, "More tensors than the limit allows."),
    # safetensors
    "safetensors-header": Anomaly(_UNREADABLE, "The safetensors header cannot be read."),
    "safetensors-overlap": Anomaly(_SUSPICIOUS, "Two tensors overlap."),
    "safetensors-hole": Anomaly(_SUSPICIOUS, "Bytes between tensors belong to none."),
    "safetensors-trailing": Anomaly(_SUSPICIOUS, "Bytes behind the last tensor."),
    "safetensors-duplicate-key": Anomaly(_SUSPICIOUS, "The header says one key twice."),
    "safetensors-metadata": Anomaly(_SUSPICIOUS, "Metadata that is not text."),
    "safetensors-tensor": Anomaly(_UNREADABLE, "A tensor's entry in the header is not sane."),
    # GGUF, numpy
    "gguf-header": Anomaly(_UNREADABLE, "The GGUF header cannot be read."),
    "gguf-duplicate-key": Anomaly(_SUSPICIOUS, "The GGUF header says one key twice."),
    "gguf-tensor": Anomaly(_UNREADABLE, "A GGUF tensor's entry is not sane."),
    "chat-template-code": Anomaly(
        _MALICIOUS, "A chat template reaches for Python's internals (CVE-2024-34359)."
    ),
    "chat-template-loads": Anomaly(
        _SUSPICIOUS, "A chat template asks for another file, which no model's needs."
    ),
    "numpy-header": Anomaly(_UNREADABLE, "The numpy header cannot be read."),
    "numpy-size": Anomaly(_SUSPICIOUS, "The array's bytes are not as many as its shape says."),
    # compressed
    "compressed": Anomaly(_NOTE, "The file is packed as a whole."),
    "compressed-broken": Anomaly(_UNREADABLE, "The packed stream is broken or cut off."),
}


def finding(
    rule: str,
    detail: str = "",
    *,
    member: str = "",
    offset: int | None = None,
    member_offset: int | None = None,
    argument: str | None = None,
) -> Finding:
    """The rule's sentence, with the detail of this case behind it."""
    anomaly = ANOMALIES[rule]
    return Finding(
        rule=rule,
        severity=anomaly.severity,
        message=f"{anomaly.message} {detail}".rstrip(),
        member=member or None,
        offset=offset,
        member_offset=member_offset,
        argument=argument,
    )
