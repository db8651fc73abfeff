"""The page's charts: Altair specifications, drawn to SVG, whose colours are the page's own, so that one drawing serves light and dark.

A drawing has a few kilobytes, where Vega's scripts would be nine hundred: measured, and why they are not inlined.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from pytest_llmlog.printing import printable
from pytest_llmlog.recap import Recap, Test
from pytest_llmlog.record import Interaction
from pytest_llmlog.runs import quantile

WIDTH = 340
"""A phone's width in CSS pixels; wider screens show several beside each other."""

SHOWN = 12
"""How many tests, models or templates a chart shows."""


_LINK = re.compile(r'href="[^"#]*#')
"""Links are to places in the page; vl-convert makes them absolute."""


class Chart(Struct, frozen=True):
    """A drawing with its title, and what it shows in words; ``svg`` is empty where there is nothing to draw."""

    title: str
    note: str
    svg: str


def draw(recap: Recap) -> list[Chart]:
    """All charts of a run."""
    calls = [call.now for test in recap.tests for call in test.calls if call.now is not None]
    return [
        _by_test(recap.called, "latency", "Latency per test", "slowest call, seconds"),
        _tokens(recap.called),
        _cost(calls, "model", lambda call: call.model),
        _cost(calls, "template", lambda call: call.prompt_template),
        _distribution(calls),
        _trend(recap),
    ]


def _svg(chart: Any, *, fit: bool = True) -> str:
    import vl_convert

    chart = chart.properties(width=WIDTH, autosize={"type": "fit-x", "contains": "padding"}) if fit else chart
    text, grid = {"labelColor": "var(--muted)", "titleColor": "var(--muted)"}, "var(--line)"
    styled = (
        chart.configure(background="transparent", font="sans-serif", padding=2)
        .configure_view(stroke=None)
        .configure_axis(
            **text, gridColor=grid, domainColor=grid, tickColor=grid, labelLimit=130, titleFontWeight="normal", tickCount=5
        )
        .configure_legend(**text, orient="top", title=None)
        .configure_text(color="var(--text)")
    )
    drawn: str = vl_convert.vegalite_to_svg(styled.to_dict(), allowed_base_urls=[])
    return _LINK.sub('href="#', drawn)


def _short(names: Iterable[str], length: int = 26) -> dict[str, str]:
    """Names that fit beside a bar, each its own: the end of a test's id says most."""
    found: dict[str, str] = {}
    for name in names:
        text = " ".join(printable(name).rpartition("::")[2].split()) or "–"
        short = text if len(text) <= length else f"{text[: length - 1]}…"
        number = sum(each == short or each.startswith(f"{short} #") for each in found.values())
        found[name] = f"{short} #{number + 1}" if number else short
    return found


def _link(test: Test) -> str:
    return f"#test={quote(test.result.test_id, safe='')}"


def _by_test(tests: Sequence[Test], metric: str, title: str, axis: str) -> Chart:
    import altair as alt

    told = sorted((test for test in tests if test.now.get(metric)), key=lambda test: -test.now[metric])[:SHOWN]
    if not told:
        return Chart(title, "No call tells it.", "")
    names = _short(test.result.test_id for test in told)
    rows = [{"test": names[test.result.test_id], axis: test.now[metric], "link": _link(test)} for test in told]
    chart = _bars(rows, "test", axis).mark_bar(color="var(--first)", cursor="pointer").encode(href=alt.Href("link:N"))
    return Chart(title, f"The slowest {len(told)} of {len(tests)} tests.", _svg(chart))


def _bars(rows: Sequence[Mapping[str, Any]], name: str, value: str) -> Any:
    import altair as alt

    data = alt.InlineData(values=list(rows))
    return alt.Chart(data, height=alt.Step(19)).mark_bar(color="var(--first)").encode(
        x=alt.X(f"{value}:Q", title=value), y=alt.Y(f"{name}:N", sort=[row[name] for row in rows], title=None)
    )  # fmt: skip


def _tokens(tests: Sequence[Test]) -> Chart:
    import altair as alt

    told = sorted((test for test in tests if test.now.get("tokens")), key=lambda test: -test.now["tokens"])[:SHOWN]
    if not told:
        return Chart("Tokens per test", "No call tells its tokens.", "")
    names = _short(test.result.test_id for test in told)
    rows = [
        {"test": names[test.result.test_id], "tokens": count, "kind": kind, "link": _link(test)}
        for test in told
        for kind, count in _kinds(test.now)
    ]
    order = list(names.values())
    colours = alt.Scale(domain=["input", "output", "not told apart"], range=["var(--first)", "var(--second)", "var(--third)"])
    kinds = [kind for kind in colours.domain if any(row["kind"] == kind for row in rows)]
    colours = alt.Scale(domain=kinds, range=[colours.range[colours.domain.index(kind)] for kind in kinds])
    chart = alt.Chart(alt.InlineData(values=rows), height=alt.Step(19)).mark_bar(cursor="pointer").encode(
        x=alt.X("tokens:Q", title="tokens"), y=alt.Y("test:N", sort=order, title=None), color=alt.Color("kind:N", scale=colours),
        order=alt.Order("kind:N"), href=alt.Href("link:N"),
    )  # fmt: skip
    return Chart("Tokens per test", f"The {len(told)} tests with the most of {len(tests)}.", _svg(chart))


def _kinds(figures: Mapping[str, float]) -> list[tuple[str, float]]:
    known = [(kind, figures[f"{kind}_tokens"]) for kind in ("input", "output") if figures.get(f"{kind}_tokens")]
    rest = figures["tokens"] - sum(count for _, count in known)
    return [*known, *([("not told apart", rest)] if rest > 0 else [])]


def _cost(calls: Sequence[Interaction], what: str, of: Callable[[Interaction], str | None]) -> Chart:
    title, spent = f"Cost by {what}", Counter[str]()
    for call in calls:
        if call.cost_usd:
            spent[of(call) or f"no {what}"] += call.cost_usd  # type: ignore[assignment]  # a Counter of dollars
    if not spent:
        return Chart(title, "No call has a price.", "")
    names = _short(spent)
    rows = [{what: names[name], "US dollars": cost} for name, cost in spent.most_common(SHOWN)]
    untold = sum(call.cost_usd is None for call in calls)
    note = f"US dollars of {len(calls) - untold:,} calls{f'; {untold:,} have no price' if untold else ''}."
    return Chart(title, note, _svg(_bars(rows, what, "US dollars")))


def _distribution(calls: Sequence[Interaction]) -> Chart:
    import altair as alt

    seconds = [call.latency_seconds for call in calls if call.latency_seconds is not None]
    marks = [
        {"seconds": at, "name": name}
        for name, share in (("p50", 0.5), ("p95", 0.95))
        if (at := quantile(seconds, share)) is not None
    ]
    if not marks:
        return Chart("Latency of calls", "No call tells it.", "")
    values = [{"seconds": each} for each in seconds]
    counted = alt.Y("count()", title="calls", axis=alt.Axis(format="d", tickMinStep=1))
    bars = alt.Chart(alt.InlineData(values=values), height=180).mark_bar(color="var(--first)").encode(
        x=alt.X("seconds:Q", bin=alt.Bin(maxbins=24), title="seconds", axis=alt.Axis(labelOverlap=True, labelSeparation=6, format="~g")), y=counted
    )  # fmt: skip
    base = alt.Chart(alt.InlineData(values=marks))
    rules = base.mark_rule(color="var(--bad)", strokeWidth=2, strokeDash=[4, 3]).encode(x="seconds:Q")
    names = base.mark_text(align="left", dx=4, baseline="top", color="var(--text)").encode(
        x="seconds:Q", y=alt.value(0), text="name:N"
    )
    note = f"{len(seconds):,} calls; p50 {marks[0]['seconds']:.3g} s, p95 {marks[1]['seconds']:.3g} s."
    return Chart("Latency of calls", note, _svg(bars + rules + names))


def _trend(recap: Recap) -> Chart:
    import altair as alt

    points, title = recap.trend, "Trend over the runs"
    if len(points) < 2:
        return Chart(title, "The log holds no other run yet.", "")
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number, point in enumerate(points, start=1):
        run = {"run": number, "id": point.run_id[:8], "time": point.timestamp}
        rows["tokens"].append({**run, "tokens": point.tokens, "kind": "tokens"})
        rows["US dollars"].append({**run, "US dollars": point.cost_usd, "kind": "cost"})
        rows["seconds"] += [
            {**run, "seconds": at, "kind": name} for name, at in (("p50", point.p50), ("p95", point.p95)) if at is not None
        ]
    shades = alt.Scale(
        domain=["p50", "p95", "tokens", "cost"], range=["var(--first)", "var(--bad)", "var(--second)", "var(--third)"]
    )
    ticks = list(range(1, len(points) + 1, -(-len(points) // 10)))
    shown = [
        alt.Chart(alt.InlineData(values=values), width=WIDTH - 70, height=62).mark_line(point=alt.OverlayMarkDef(filled=True, size=18)).encode(
            x=alt.X("run:Q", title="run, the last is this one" if axis == "seconds" else None, scale=alt.Scale(domain=[1, len(points)], nice=False),
                    axis=alt.Axis(format="d", values=ticks, labels=axis == "seconds")),
            y=alt.Y(f"{axis}:Q", title=axis, axis=alt.Axis(tickCount=3, minExtent=36)),
            color=alt.Color("kind:N", scale=shades, legend=None),
            tooltip=["id:N", "time:N", f"{axis}:Q", "kind:N"],
        )
        for axis, values in rows.items()
    ]  # fmt: skip
    note = f"The latest {len(points)} runs of the log; the lower line of seconds is p50, the upper p95."
    return Chart(title, note, _svg(alt.vconcat(*shown, spacing=4), fit=False))
