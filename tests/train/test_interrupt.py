import os
import signal
import threading

import pytest

from mrcnn.train.interrupt import SIGNALS, Stopped, StopRequest


@pytest.mark.parametrize("signum", SIGNALS)
def test_stop_request_first_signal_is_noted_and_the_second_has_its_default_effect(signum):
    before = [signal.getsignal(each) for each in SIGNALS]
    with StopRequest() as request:
        assert request.signum is None
        os.kill(os.getpid(), signum)
        assert request.signum == signum
        assert [signal.getsignal(each) for each in SIGNALS] == [signal.SIG_DFL, signal.SIG_DFL]
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_stop_request_handlers_come_back_after_an_error():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyError), StopRequest():
        raise KeyError
    assert signal.getsignal(signal.SIGINT) is before


def test_stop_request_another_thread_listens_to_nothing():
    heard = []

    def work():
        with StopRequest() as request:
            heard.append(request.signum)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert heard == [None]


def test_exit_codes_are_those_of_a_shell():
    assert Stopped(signal.SIGINT).code == 130
    assert Stopped(signal.SIGTERM).code == 143
