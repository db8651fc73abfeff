"""``python -m sidebyside.worker``: one case in a process of its own, as a pytest session whose tests are timed from setup to teardown."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sidebyside.tools import TOOLS, Tool
from sidebyside.values import Case

if TYPE_CHECKING:
    from sidebyside.calls import Caller


@dataclass(frozen=True)
class Timed:
    """One test: its id, how many calls it made, and what they took, in seconds."""

    id: str
    calls: int
    wall: float
    cpu: float
    delays: tuple[float, ...] = ()


@dataclass(eq=False)
class Run:
    """The session of a case, a plugin of pytest's; what it has measured is written to a file in ``folder`` at the end."""

    case: Case
    base_url: str
    folder: Path
    timed: list[Timed] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)
    caller: Caller | None = None
    calls: int = 0

    @property
    def tool(self) -> Tool:
        """The tool of the case."""
        return TOOLS[self.case.tool]

    def begin(self, kind: str, calls: int, caller: Caller) -> None:
        """A test makes its calls now."""
        self.caller, self.calls = caller, calls

    @pytest.hookimpl(tryfirst=True, wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        id = item.name.partition("[")[2].rstrip("]")
        self.caller = None
        signal.setitimer(signal.ITIMER_REAL, self.tool.limit)
        self._test_began = time.perf_counter()
        wall, cpu = time.perf_counter(), time.process_time()
        result = yield
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.timed.append(Timed(id, self.calls, wall, cpu, tuple(self.caller.delays) if self.caller else ()))
        late = time.perf_counter() - self.began > self.case.seconds
        if late and id.startswith("floor-") and any(each.id.startswith("tool-") for each in self.timed):
            item.session.shouldstop = "the time is over"
        return result

    def give_up(self, *_: object) -> None:
        """Write what there is, and end the process in the middle of a test."""
        done = self.caller.done if self.caller else 0
        self.write(stopped=time.perf_counter() - self._test_began, done=done)
        os._exit(0)

    def write(self, **more: object) -> None:
        """Write what was measured for the process that started this one."""
        found = {"timed": [asdict(each) for each in self.timed], **more}
        (self.folder / "result.json").write_text(json.dumps(found), encoding="utf-8")


def main() -> None:
    """Run the case that the command line tells."""
    importlib.import_module("sidebyside.calls")  # before a tool has put anything into the transports
    path = shutil.copy(Path(__file__).with_name("suite.py"), RUN.folder / "test_calls.py")
    Path(RUN.folder, "pytest.ini").write_text("[pytest]\nfilterwarnings = ignore\n", encoding="utf-8")
    signal.signal(signal.SIGALRM, RUN.give_up)
    arguments = [str(path), f"--rootdir={RUN.folder}", "-q", "-x", "-pno:cacheprovider", *RUN.tool.arguments(RUN.case.action)]
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        code = pytest.main(arguments, plugins=[RUN])
    late = code == pytest.ExitCode.INTERRUPTED and bool(RUN.timed)
    RUN.write(fault=None if code == 0 or late else output.getvalue()[-3000:])


if __name__ == "__main__":
    RUN = Run(Case(**json.loads(sys.argv[1])), sys.argv[2], Path(sys.argv[3]))
    sys.modules["sidebyside.worker"] = sys.modules["__main__"]  # the tests ask this session, not a second one
    main()
