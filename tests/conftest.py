"""What every room of the tests relies on."""

import signal


def pytest_configure() -> None:
    """Let the processes that tests start begin with signals as a terminal gives them.

    CI runners and `nohup` start commands with SIGINT or SIGHUP ignored, which every descendant inherits, and programs started
    so rightly stay ignorant of them. A handler is not inherited across exec: these processes get the default, this one goes on ignoring.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda _number, _frame: None)
