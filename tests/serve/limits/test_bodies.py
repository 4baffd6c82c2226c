"""Bodies of all kinds as parts, without a server: requests as ASGI messages."""

import asyncio

import pytest
from starlette.requests import ClientDisconnect, Request

from mrcnn.serve.limits import bodies
from mrcnn.serve.limits.bodies import Body
from mrcnn.serve.responses import RequestError

FORM = "multipart/form-data; boundary=x"
FIELDS = "application/x-www-form-urlencoded"


def part(name, content, file_name=None):
    file_name = "" if file_name is None else f'; filename="{file_name}"'
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{file_name}\r\n\r\n'.encode() + content + b"\r\n"


def read(chunks, kind, *, length=None, max_bytes=10_000, seconds=5.0, ending=True, more_headers=None):
    """Reads a body that arrives in chunks; without `ending` the last one never comes."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    if ending:
        messages.append({"type": "http.request", "body": b"", "more_body": False})
    headers = [(b"content-type", kind.encode())] if kind else []
    headers += [(name.encode(), value.encode()) for name, value in (more_headers or {}).items()]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))

    async def receive():
        if messages:
            return messages.pop(0)
        await asyncio.sleep(60)

    request = Request({"type": "http", "method": "POST", "headers": headers, "app": None}, receive)
    return asyncio.run(bodies.read_body(request, max_bytes=max_bytes, seconds=seconds))


def test_read_body_of_a_form_has_its_files_and_fields():
    body = part("image", b"\x00\xff", "a.png") + part("mode", "{é}".encode()) + part("meta", b"{}", "m.json") + b"--x--"
    expected = Body({"image": b"\x00\xff", "mode": "{é}".encode(), "meta": b"{}"}, None)
    for kind in (FORM, FORM + "; charset=utf-16", FORM + "; charset=punycode", 'multipart/form-data; boundary="x"'):
        assert read([body[:10], body[10:]], kind) == expected


def test_read_body_of_a_file_name_in_the_old_notation_is_a_file():
    # as `requests` of 2018 wrote names that are not ASCII, against RFC 7578, which its parser follows
    head = b"--x\r\nContent-Disposition: form-data; name=\"image\"; filename*=utf-8''%C3%A9.png\r\n\r\n"
    assert read([head + bytes(range(256)) + b"\r\n--x--"], FORM).fields == {"image": bytes(range(256))}


def test_read_body_keeps_the_first_part_of_a_name():
    body = part("mode", b"1") + part("mode", b"2") + b"--x--"
    assert read([body], FORM).fields == {"mode": b"1"}


def test_read_body_of_a_large_file_is_whole():
    content = bytes(range(256)) * 8192  # 2 MiB: beyond what the parser keeps in memory
    body = part("image", content, "a.png") + b"--x--"
    pieces = [body[start : start + 60_000] for start in range(0, len(body), 60_000)]
    assert read(pieces, FORM, max_bytes=3_000_000).fields == {"image": content}


def test_read_body_of_other_content_types():
    assert read([b"mode=%7B%7D&meta=1&mode=2&x="], FIELDS).fields == {"mode": b"{}", "meta": b"1", "x": b""}
    assert read(["mode={é}+%C3%A9".encode()], FIELDS).fields == {"mode": "{é} é".encode()}
    assert read([b'{"a"', b":1}"], "application/json; charset=utf-8") == Body(document=b'{"a":1}')
    assert read([b"abc"], "image/jpeg") == Body({"image": b"abc"})
    assert read([b"abc"], "Application/Octet-Stream") == Body({"image": b"abc"})
    assert read([], None) == Body()


@pytest.mark.parametrize("kind", [None, "text/plain", "video/mp4"])
def test_read_body_of_an_unknown_content_type_is_415(kind):
    with pytest.raises(RequestError) as caught:
        read([b"abc"], kind)
    assert caught.value.status == 415
    assert str(caught.value).endswith(f"got {kind or 'none'}")


@pytest.mark.parametrize("kind", [FORM, "application/json", "image/png"])
@pytest.mark.parametrize("length", [None, 101])
def test_read_body_of_too_many_bytes_is_413_declared_or_not(kind, length):
    with pytest.raises(RequestError) as caught:
        read([part("a", b"x")[:50], b"x" * 51], kind, length=length, max_bytes=100)
    assert caught.value.status == 413
    assert str(caught.value) == "the request is larger than 100 bytes (--max-body-bytes); send a smaller one"


def test_read_body_of_a_long_urlencoded_form_is_413():
    # decoding takes 80 times its bytes: 20 MB, the default limit of a body, took 1.6 GB
    with pytest.raises(RequestError) as caught:
        read([b"a=" + b"%41" * 350_000], FIELDS, max_bytes=2_000_000)
    assert caught.value.status == 413
    assert str(caught.value) == "a form of more than 1048576 bytes must come as multipart/form-data"


@pytest.mark.parametrize("kind", [FORM, "application/json", "image/png"])
def test_read_body_of_a_compressed_body_is_415(kind):
    with pytest.raises(RequestError) as caught:
        read([b"\x1f\x8b"], kind, more_headers={"content-encoding": "gzip"})
    assert caught.value.status == 415
    assert str(caught.value) == "the body is compressed (Content-Encoding); send it as it is"
    assert read([b"abc"], "image/png", more_headers={"content-encoding": "Identity"}).fields == {"image": b"abc"}


@pytest.mark.parametrize("kind", [FORM, "application/json"])
def test_read_body_that_does_not_end_is_408(kind):
    with pytest.raises(RequestError) as caught:
        read([part("a", b"x")], kind, seconds=0.05, ending=False)
    assert (caught.value.status, str(caught.value)) == (408, "the request did not arrive within 0.05 seconds")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"abc", FORM),
        (b"abc", "multipart/form-data"),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\nabc\r\n--x--", FORM),
        (part("mode", b"{}") + b"--x--", 'multipart/form-data; charset=punycode; boundary=x; x="'),
        (b"a=1&" * 40, FIELDS),
        (b"".join(part(f"f{index}", b"x") for index in range(40)) + b"--x--", FORM),
        (b"".join(part(f"f{index}", b"x", "a") for index in range(40)) + b"--x--", FORM),
    ],
    ids=["no form", "no boundary", "no name", "open quote", "too many pairs", "too many fields", "too many files"],
)
def test_read_body_of_a_malformed_form_is_400(body, kind):
    with pytest.raises(RequestError) as caught:
        read([body], kind)
    assert caught.value.status == 400
    assert str(caught.value).startswith("the form is malformed: ")


def test_read_body_of_a_client_that_leaves_is_a_disconnect():
    async def receive():
        return {"type": "http.disconnect"}

    request = Request({"type": "http", "method": "POST", "headers": [(b"content-type", b"image/png")]}, receive)
    with pytest.raises(ClientDisconnect):
        asyncio.run(bodies.read_body(request, max_bytes=10, seconds=5))
