"""What a run says of itself: a line of JSON for each event, and a curve of its losses."""
from __future__ import annotations

import json
import pathlib
import sys
import time

WIDTH, HEIGHT, LEFT, BOTTOM = 720, 360, 56, 40
COLOURS = {"loss": "#8a8f98", "validation_loss": "#0b6bcb"}


class Journal:
    """Appends events to a file of JSON Lines, and to stderr in short."""

    def __init__(self, path: pathlib.Path, until: int | None = None):
        """Keeps what the file has, up to step `until`; None begins anew."""
        self.path, self.started = path, time.monotonic()
        kept = [e for e in read(path) if e.get("step", 0) <= until] if until is not None and path.exists() else []
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(e) + "\n" for e in kept), encoding="utf-8")

    def add(self, event: str, **fields: object) -> None:
        fields = {k: round(v, 6) if isinstance(v, float) else v for k, v in fields.items()}
        entry = {"event": event, "seconds": round(time.monotonic() - self.started, 1), **fields}
        with self.path.open("a", encoding="utf-8") as f:
            f.write(json.dumps(entry, ensure_ascii=False) + "\n")
        print(f"{event}: " + ", ".join(f"{k} {v}" for k, v in entry.items() if k != "event"), file=sys.stderr, flush=True)


def read(path: pathlib.Path) -> list[dict]:
    """The events of a file; a last line that was cut off is not one."""
    out = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            out.append(json.loads(line))
        except ValueError:
            break
    return out


def curve(events: list[dict], title: str) -> str:
    """An SVG of the losses by step."""
    series = {name: [(e["step"], e[name]) for e in events if name in e and "step" in e] for name in COLOURS}
    points = [p for line in series.values() for p in line]
    if not points:
        return ""
    last = max(x for x, _ in points) or 1
    low, high = min(y for _, y in points), max(y for _, y in points)
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    at = lambda x, y: (LEFT + (WIDTH - LEFT - 16) * x / last, 24 + (HEIGHT - BOTTOM - 24) * (high - y) / (high - low))
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/><text x="{LEFT}" y="16">{title}</text>']
    for i in range(6):
        (x, bottom), (_, y) = at(last * i / 5, low), at(0, low + (high - low) * i / 5)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - 16}" stroke="#ddd"/>'
                     f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{low + (high - low) * i / 5:.2f}</text>'
                     f'<text x="{x:.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{last * i / 5:.0f}</text>')
    for i, (name, line) in enumerate(series.items()):
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*p) for p in line))
        parts.append(f'<polyline points="{places}" fill="none" stroke="{COLOURS[name]}" stroke-width="1.5"/>'
                     f'<text x="{WIDTH - 16}" y="{40 + 16 * i}" text-anchor="end" fill="{COLOURS[name]}">{name.replace("_", " ")}</text>')
    return "\n".join(parts) + "\n</svg>\n"
