"""Draws a campaign as SVG: what was answered and what not, second by second, under the faults."""

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Final

from tests.fault.campaign.history import ASIDE, Event
from tests.fault.campaign.nemesis import Fault

WIDTH, HEIGHT, MARGIN, BAND = 1200, 360, 46, 40
COLORS: Final = {"ok": "#3c7a5a", "fail": "#b8b8b8", "info": "#d98a2b", "leak": "#c0392b"}
LABELS: Final = {
    "ok": "done", "fail": "refused (stale)", "info": "no answer, asked again", "leak": "leaked",
}  # fmt: skip


def draw(history: Sequence[Event], faults: Sequence[Fault], title: str) -> str:
    """The picture; an empty history makes an empty one."""
    events = [one for one in history if one.kind in COLORS and one.f not in ASIDE]
    start = min((one.t for one in events), default=0.0)
    seconds = int(max((one.t - start for one in events), default=0.0)) + 1
    counts: Counter[tuple[str, int]] = Counter()
    counts.update((one.kind, int(one.t - start)) for one in events)
    top = max((sum(counts[kind, at] for kind in COLORS) for at in range(seconds)), default=1) or 1
    step = (WIDTH - 2 * MARGIN) / seconds
    parts = [*_faults(faults, start, step), *_bars(counts, seconds, top, step)]
    base = HEIGHT - MARGIN
    parts += [
        f'<text x="{MARGIN}" y="20" font-size="14">{escape(title)}</text>',
        f'<text x="4" y="{MARGIN + BAND + 4}">{top}/s</text>',
        f'<text x="{MARGIN}" y="{base + 16}">0 s</text>',
        f'<text x="{WIDTH - MARGIN}" y="{base + 16}" text-anchor="end">{seconds} s</text>',
    ]
    for place, (kind, label) in enumerate(LABELS.items()):
        x = MARGIN + 160 + place * 180
        parts.append(f'<rect x="{x}" y="{base + 8}" width="10" height="10" fill="{COLORS[kind]}"/>')
        parts.append(f'<text x="{x + 14}" y="{base + 17}">{label}</text>')
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    style = 'font-family="sans-serif" font-size="11" fill="#333"'
    lines = "\n".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n{lines}\n</svg>\n'


def _bars(counts: Counter[tuple[str, int]], seconds: int, top: int, step: float) -> list[str]:
    """A stacked bar for each second."""
    room = HEIGHT - 2 * MARGIN - BAND
    bars = []
    for at in range(seconds):
        y = float(HEIGHT - MARGIN)
        for kind, color in COLORS.items():
            high = counts[kind, at] / top * room
            if high:
                y -= high
                box = f'x="{MARGIN + at * step:.1f}" y="{y:.1f}" width="{step:.2f}"'
                bars.append(f'<rect {box} height="{high:.1f}" fill="{color}"/>')
    return bars


def _faults(faults: Sequence[Fault], start: float, step: float) -> list[str]:
    """A band for each fault, with its number and target as a tooltip."""
    bands = []
    for place, one in enumerate(faults):
        x = MARGIN + (one.began - start) * step
        wide = max(1.0, (one.ended - one.began) * step)
        color = "#c0392b" if one.kills else "#5b6fa8"
        box = f'x="{x:.1f}" y="{MARGIN}" width="{wide:.1f}" height="{HEIGHT - 2 * MARGIN}"'
        told = escape(f"{one.name}: {one.target}")
        bands.append(f'<rect {box} fill="{color}" opacity="0.12"><title>{told}</title></rect>')
        y = MARGIN - 4 + (place % 4) * 10
        bands.append(f'<text x="{x:.1f}" y="{y}" font-size="8">{escape(one.name)}</text>')
    return bands
