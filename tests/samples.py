"""Small files of every kind, made of the bytes that their formats ask for."""

from __future__ import annotations

import struct
import zlib

FONT = b"<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"


def png(width: int = 1, height: int = 1) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0\0") if width * height == 1 else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def jpeg(width: int = 1, height: int = 1) -> bytes:
    jfif = b"\xff\xe0\x00\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"
    table = b"\xff\xc4\x00\x05\0\0\0"
    frame = b"\xff\xff\xc2\x00\x0b\x08" + struct.pack(">HH", height, width) + b"\x01\x01\x11\0"
    return b"\xff\xd8" + jfif + table + frame + b"\xff\xda\x00\x08\x01\x01\0\0\x3f\0\x00\xff\xd9"


def gif(width: int = 1, height: int = 1) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0\x3b"


def webp(kind: bytes = b"VP8X", width: int = 1, height: int = 1) -> bytes:
    if kind == b"VP8X":
        data = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    elif kind == b"VP8L":
        data = b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little") + b"\0"
    else:
        data = b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height)
    body = b"WEBP" + kind + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def pdf(text: str = "", *, pages: int = 1) -> bytes:
    """Each page says the text; without one there is nothing on it to read, as on a scanned page."""
    content = f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode() if text else b""
    kids = " ".join(f"{4 + number} 0 R" for number in range(pages))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>".encode(),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
    ]
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents 3 0 R /Resources %s >>" % FONT
    return assembled([*objects, *[page] * pages])


def assembled(objects: list[bytes], trailer: bytes = b"") -> bytes:
    file, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    ending = b"trailer << /Root 1 0 R /Size %d %s >>\nstartxref\n%d\n%%%%EOF" % (size, trailer, len(file))
    return file + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + ending


def locked_pdf() -> bytes:
    """Its text can be read with a password that nobody knows."""
    from io import BytesIO

    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(BytesIO(pdf("secret"))))
    writer.encrypt("nobody knows", algorithm="RC4-128")
    file = BytesIO()
    writer.write(file)
    return file.getvalue()


def pdf_bomb(megabytes: int) -> bytes:
    """A page that is small in the file and very large when it is unpacked, five times over."""
    packed = zlib.compress(b"BT /F1 1 Tf (boom) Tj ET\n" * (megabytes * 40_000), 9)
    stream = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed)
    contents = b" ".join(b"4 0 R" for _ in range(5))
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents [%s] /Resources %s >>" % (contents, FONT)
    return assembled([b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>", page, stream])
