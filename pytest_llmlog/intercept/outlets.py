"""Ways out of this process that capture does not see: reported when they lead to a model, closed when that is asked for.

Python tells its audit hooks (PEP 578) about every name that is looked up, every connection and every program that is started. What
has sockets of its own, as gRPC has, does not pass there: see ``grpc``.
"""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_llmlog.intercept import asking, programs, running, scope
from pytest_llmlog.intercept.recorder import Recorder
from pytest_llmlog.providers import known_host

LENT = "asyncio_"
"""How the threads of an event loop's own pool are called, in which no call's context is known."""

Report = Callable[[str, str], None]
"""Takes the test and the text of a call that went round the capture."""


def _is_captured(host: str) -> bool:
    """Whether a captured call does this: by its context, or in a thread that asyncio lent to look a name up, by the name."""
    call = asking.current.get()
    if call is not None and call.open:
        return True
    return threading.current_thread().name.startswith(LENT) and any(each.host == host for each in list(asking.under_way))


class Watch:
    """What is done about ways out, for one run.

    Args:
        recorder: whose hosts count as those of models.
        block: whether everything but loopback and captured calls is closed.
        report: told of each call that goes round the capture, once for each test and host.
    """

    def __init__(self, recorder: Recorder, report: Report, *, block: bool) -> None:
        self._recorder, self._report, self._block = recorder, report, block
        self._told: set[tuple[str, str]] = set()
        self._process = os.getpid()
        self._children = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - forks of this process write here what they meet

    def begin(self) -> None:
        """Be told from now on; hooks cannot be taken out again, so there is one for ever, which does nothing when nobody watches."""
        global _hooked
        if not _hooked:
            sys.addaudithook(_hook)
            _hooked = True
        _watches.append(self)

    def collect(self) -> None:
        """Report what forks of this process have met."""
        self._children.seek(0)
        for line in self._children.read().splitlines():
            self._report(*json.loads(line))
        self._children.truncate(0)

    def end(self) -> None:
        _watches.remove(self)
        self._children.close()

    def leads_to_model(self, host: str) -> bool:
        recorder = self._recorder
        if scope.is_named(host, recorder.ignore_hosts):
            return False
        return scope.is_named(host, recorder.hosts) or known_host(host) is not None

    def connects(self, host: str, how: str) -> None:
        """Something connects to a host, or looks its name up.

        Raises:
            BaseException: what the current scope raises to refuse it, where everything is closed.
        """
        host = host.lower().rstrip(".")
        if _is_captured(host):
            return
        if self.leads_to_model(host) and not how.startswith("pytest_"):  # plugins that talk among themselves on this machine
            self.note(host, f"{host}, by {how}")
        if self._block and not _is_home(host):
            self._refuse(host, how)

    def note(self, host: str, text: str) -> None:
        """Report a call that goes round the capture."""
        scopes = running.current()
        test_id = (scopes[0].test_id if scopes else None) or ""
        if (test_id, host) in self._told:
            return
        self._told.add((test_id, host))
        if os.getpid() == self._process:
            self._report(test_id, text)
        else:
            os.write(self._children.fileno(), json.dumps([test_id, text]).encode() + b"\n")

    def starts(self, command: Sequence[str], folder: str, environ: Mapping[str, str] | None) -> None:
        """A program is started, of which only its command line and its script can be looked at."""
        for host, how in programs.hosts(command, folder, environ, self.leads_to_model):
            self.note(host, f"{host}, by {how}")

    @staticmethod
    def _refuse(host: str, how: str) -> None:
        for owner in running.current():
            if owner.may_refuse:
                lines = [
                    "llmlog: --llmlog-block-network has closed this way out",
                    f"  to: {host}, by {how}",
                    "open are loopback, and the live calls of models that are recorded; take the option away to open all",
                ]
                owner.refuse("network", "\n".join(lines))
        raise PermissionError(f"--llmlog-block-network: {host} is closed")


_watches: list[Watch] = []
_hooked = False


def connects(host: str, how: str) -> None:
    """Tell the run's watch of a connection that Python's audit does not see; as ``Watch.connects``."""
    for watch in _watches[-1:]:
        watch.connects(host, how)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _is_home(host: str) -> bool:
    """Whether a host is this machine."""
    found = _address(host)
    if found is None:
        return host in ("", "localhost", socket.gethostname().lower()) or host.endswith(".localhost")
    mapped = getattr(found, "ipv4_mapped", None) or found
    return mapped.is_loopback or mapped.is_unspecified


def _opener() -> str:
    """The package that opens the way: the nearest one on the stack that is not Python's own; else the test's thread or loop."""
    frame = sys._getframe(3)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if name and name not in sys.stdlib_module_names and name != "pytest_llmlog":
            return name
        frame = frame.f_back  # type: ignore[assignment]
    return "a thread"


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, (bytes, bytearray)) else str(value)


def _looked_up(watch: Watch, host: Any, *_: Any) -> None:
    if host is not None and _address(_text(host)) is None:  # of an address nothing is looked up: it is connected to, or not
        watch.connects(_text(host), _opener())


def _connected(watch: Watch, source: Any, address: Any = None, *_: Any) -> None:
    if source.family in (socket.AF_INET, socket.AF_INET6):
        if isinstance(address, tuple) and address:
            watch.connects(_text(address[0]), _opener())
    elif address is not None and source.family not in INSIDE:
        watch.connects(f"an address of {getattr(source.family, 'name', source.family)}", _opener())


def _named(watch: Watch, address: Any, *_: Any) -> None:
    watch.connects(_text(address[0]), _opener())


INSIDE = tuple(getattr(socket, name) for name in ("AF_UNIX", "AF_NETLINK", "AF_ALG") if hasattr(socket, name))
"""Families of sockets that lead nowhere else than into this machine."""


def _started(watch: Watch, _: Any, arguments: Any, *more: Any) -> None:
    environ = next((each for each in more[::-1] if isinstance(each, Mapping)), None)
    folder = next((_text(each) for each in more if isinstance(each, (str, bytes))), "")
    listed = [arguments] if isinstance(arguments, (str, bytes)) or hasattr(arguments, "__fspath__") else list(arguments or ())
    watch.starts([_text(each) for each in listed], folder, environ)


_EVENTS: dict[str, Callable[..., None]] = {
    "socket.getaddrinfo": _looked_up,
    "socket.gethostbyname": _looked_up,
    "socket.gethostbyaddr": lambda watch, host: watch.connects(_text(host), _opener()),
    "socket.getnameinfo": _named,
    "socket.connect": _connected,
    "socket.sendto": _connected,
    "socket.sendmsg": _connected,
    "subprocess.Popen": _started,
    "os.exec": _started,
    "os.posix_spawn": _started,
    "os.spawn": lambda watch, _mode, path, arguments, environ: _started(watch, path, arguments, environ),
    "os.system": lambda watch, command: _started(watch, None, command),
}
"""Python's table of audit events: https://docs.python.org/3/library/audit_events.html"""


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    """Called for every audit event of the process, so it leaves at once in most cases."""
    if event not in _EVENTS or not _watches:
        return
    watch = _watches[-1]
    try:
        _EVENTS[event](watch, *arguments)
    except PermissionError:
        raise
    except Exception as exc:  # a refusal is none: it is a BaseException
        watch._recorder.fault("a way out of the process could not be looked at", exc)
