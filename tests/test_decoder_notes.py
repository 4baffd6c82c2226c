"""What C libraries write to their `stderr`, in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = """
import contextlib, ctypes, sys
import cv2, numpy as np
from mrcnn import decoder_notes

noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
library = ctypes.CDLL(None)

def decode():
    for kind in (".png", ".jpg"):
        data = cv2.imencode(kind, noise)[1].tobytes()
        cv2.imdecode(np.frombuffer(data[: len(data) // 2] + b"x" * 50 + data[len(data) // 2 :], np.uint8), -1)
    library.fputs(b"from C\\n", ctypes.c_void_p.in_dll(library, "stderr"))

with decoder_notes.hidden() if sys.argv[1] == "hidden" else contextlib.nullcontext():
    decode()
print("end", file=sys.stderr)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the GNU C library")
def test_notes_of_decoders_are_hidden_and_other_text_is_not():
    def run(how):
        return subprocess.run([sys.executable, "-c", CODE, how], capture_output=True, text=True, cwd=ROOT, check=True)

    shown = run("shown").stderr
    assert "libpng error" in shown
    assert "Corrupt JPEG data" in shown
    assert run("hidden").stderr == "from C\nend\n"


LOCKED = """
import ctypes, sys
from mrcnn import decoder_notes

library, locked = ctypes.CDLL(None), ctypes.PyDLL(None)  # a call of the second one keeps Python's lock
thread = ctypes.c_ulong()
with decoder_notes.hidden():
    with decoder_notes.paused():
        assert locked.pthread_create(ctypes.byref(thread), None, library.perror, b"from a thread") == 0
        locked.pthread_join(thread, None)
    library.fputs(b"libpng error: hidden\\n", ctypes.c_void_p.in_dll(library, "stderr"))
with decoder_notes.paused():  # nothing is hidden here
    pass
print("end", file=sys.stderr)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the GNU C library")
def test_a_thread_may_write_while_python_is_locked_and_hiding_is_paused():
    command = [sys.executable, "-c", LOCKED]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True, timeout=60)
    assert done.stderr.splitlines() == ["from a thread: Success", "end"]
