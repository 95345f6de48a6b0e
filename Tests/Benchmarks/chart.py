"""The chart: bars for each peer, as an SVG that can be read on light and on dark pages."""

from html import escape

WIDTH, LABELS, BARS = 780, 240, 430  # The page, the names' column, the longest bar; px.
LINE, BAR, HEAD, GAP = 22, 14, 34, 18

STYLE = """
    text { font: 13px system-ui, sans-serif; fill: #24292f; }
    .title { font-weight: 600; font-size: 14px; }
    .peer, .cut { fill: #8c959f; }
    .ours { fill: #0969da; }
    .notch { stroke: #ffffff; stroke-width: 3; }
    .name { text-anchor: end; }
    .bold { font-weight: 600; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .peer, .cut { fill: #6e7681; }
      .ours { fill: #58a6ff; }
      .notch { stroke: #0d1117; }
    }
"""


def svg(panels, ours):
    """`panels`: (title, {name: value}, the value where bars are cut or None). `ours`: the name that stands out."""
    height = sum(HEAD + LINE * len(values) + GAP for _, values, _ in panels)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'role="img">',
        f"  <title>{escape('; '.join(title for title, _, _ in panels))}</title>", f"  <style>{STYLE}  </style>"]
    top = 0
    for title, values, cut in panels:
        lines.append(f'  <text class="title" x="{LABELS}" y="{top + 20}">{escape(title)}</text>')
        longest = min(max(values.values()), cut or float("inf"))
        top += HEAD
        for name, value in values.items():
            lines += _bar(top, name, value, min(value, longest) / longest * BARS, value > longest, name == ours)
            top += LINE
        top += GAP
    return "\n".join([*lines, "</svg>", ""])


def _bar(top, name, value, length, is_cut, is_ours):
    middle, bold = top + BAR - 2.5, " bold" if is_ours else ""
    yield f'  <text class="name{bold}" x="{LABELS - 8}" y="{middle}">{escape(name)}</text>'
    yield (f'  <rect class="{"ours" if is_ours else "peer"}" x="{LABELS}" y="{top}" width="{max(length, 1):.1f}" '
           f'height="{BAR}" rx="2"/>')
    if is_cut:
        at = LABELS + length - 14
        yield f'  <path class="notch" d="M{at:.1f} {top + BAR + 2} l6 -{BAR + 4}"/>'
    yield f'  <text class="value{bold}" x="{LABELS + length + 6:.1f}" y="{middle}">{value:,.0f}</text>'
