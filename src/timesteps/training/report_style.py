"""The style sheet of the report: no font or image from elsewhere, light and dark, on paper too."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #fbfbf9; --ink: #1d2024; --muted: #5c636c; --rule: #dfdfd9; --grid: #e9e9e4; --wash: #f2f2ee;
  --a: #1f5fa8; --b: #b4530c; --good: #1b6a45; --bad: #a8271e; --good-wash: #e8f3ec; --bad-wash: #fbeae7;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #15171b; --ink: #e7e7e3; --muted: #a3a9b2; --rule: #353941; --grid: #282c33; --wash: #1e2127;
    --a: #82b4f5; --b: #f0a562; --good: #7bd3a4; --bad: #ff9b90; --good-wash: #17271f; --bad-wash: #331d1b;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 48px 28px 64px; max-width: 1060px; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "Noto Sans KR",
    "Noto Sans CJK KR", "Apple SD Gothic Neo", "Malgun Gothic", sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
h1, h2, h3, p, dl, ol, ul, table, figure { margin: 0; }
h1 {
  font-size: 32px; line-height: 1.2; font-weight: 650; letter-spacing: -0.015em; max-width: 28em;
  text-wrap: balance;
}
h2 { font-size: 20px; line-height: 1.3; font-weight: 650; letter-spacing: -0.005em; }
h3 { font-size: 14px; font-weight: 600; margin-bottom: 8px; }
p { max-width: 46em; }
.over { font-size: 14px; color: var(--muted); margin-bottom: 10px; }
.verdict { margin-top: 14px; font-size: 17px; }
.banner { padding: 22px 26px 24px; border-left: 5px solid var(--muted); background: var(--wash); }
.banner.good { border-color: var(--good); background: var(--good-wash); }
.banner.bad { border-color: var(--bad); background: var(--bad-wash); }
section { margin-top: 52px; padding-top: 18px; border-top: 1px solid var(--rule); }
section > p, .note { margin-top: 6px; color: var(--muted); font-size: 15px; }
.note { font-size: 14px; }
.pair {
  display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 28px 40px; margin-top: 20px;
  align-items: start;
}
.block { margin-top: 22px; }
h3 + .block { margin-top: 0; }
.scroll { overflow-x: auto; }
.scroll > .chart { min-width: 620px; }
.chart { display: block; width: 100%; height: auto; overflow: visible; font-size: 12px; }
.chart text { fill: var(--ink); font-family: inherit; }
.chart .tick { fill: var(--muted); font-size: 11.5px; }
.chart .name { fill: var(--muted); font-size: 12px; }
.chart .entry { font-size: 13px; }
.chart .end { font-size: 12.5px; font-weight: 600; }
.chart .end.a { fill: var(--a); } .chart .end.b { fill: var(--b); }
.chart .grid { stroke: var(--grid); stroke-width: 1; }
.chart .axis { stroke: var(--muted); stroke-width: 1; }
.chart .mark { stroke: var(--muted); stroke-width: 1; stroke-dasharray: 3 3; }
.chart .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.chart .line.a { stroke: var(--a); } .chart .line.b { stroke: var(--b); stroke-dasharray: 6 4; }
.chart .dot { stroke: var(--page); stroke-width: 1.5; }
.chart .dot.a { fill: var(--a); } .chart .dot.b { fill: var(--b); }
.chart .whisker { stroke-width: 2; stroke-linecap: round; }
.chart .whisker.a { stroke: var(--a); } .chart .whisker.b { stroke: var(--b); }
.chart .bar { fill: var(--a); fill-opacity: 0.8; }
.chart .cell { fill: var(--b); fill-opacity: calc(0.04 + 0.5 * var(--share)); }
.chart .cell.hit { fill: var(--a); }
.chart .count { font-size: 15px; font-weight: 600; } .chart .share { font-size: 11.5px; }
.chart .count.small { font-size: 11px; } .chart .share.small { font-size: 9.5px; }
table { border-collapse: collapse; width: 100%; font-size: 14.5px; line-height: 1.4; }
th { text-align: left; font-weight: 600; font-size: 13px; color: var(--muted); vertical-align: bottom; }
th, td { padding: 7px 14px 7px 0; border-bottom: 1px solid var(--rule); }
th:last-child, td:last-child { padding-right: 0; }
td { vertical-align: top; }
th:first-child, td:first-child { min-width: 9em; overflow-wrap: break-word; }
ul.note { padding-left: 1.2em; margin-top: 12px; }
.n { text-align: right; white-space: nowrap; overflow-wrap: normal; }
tr.ours td { font-weight: 650; } tr.total td { font-weight: 650; border-bottom: 0; }
td small { display: block; color: var(--muted); font-weight: 400; font-size: 13px; }
dl { columns: 3 250px; column-gap: 40px; font-size: 14.5px; }
dl.wide { columns: 1; }
dl > div {
  display: flex; gap: 16px; justify-content: space-between; padding: 4px 0; border-bottom: 1px solid var(--rule);
  break-inside: avoid;
}
dl.wide > div { justify-content: flex-start; } dl.wide dt { flex: 0 0 11em; }
dt { color: var(--muted); flex: none; max-width: 65%; } dd { margin: 0; text-align: right; min-width: 0; }
dl.wide dd { text-align: left; }
code { font: 0.92em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "Noto Sans Mono", monospace; }
.errors { list-style: none; padding: 0; margin-top: 14px; columns: 2 380px; column-gap: 40px; }
.errors li { padding: 11px 0 12px; border-bottom: 1px solid var(--rule); break-inside: avoid; }
.errors q { quotes: none; display: block; max-width: 56em; unicode-bidi: isolate; word-break: keep-all; }
.errors span { display: block; margin-top: 3px; font-size: 13.5px; color: var(--muted); }
.errors b { color: var(--ink); font-weight: 600; }
footer {
  margin-top: 52px; padding-top: 14px; border-top: 1px solid var(--rule); color: var(--muted);
  font-size: 13.5px;
}
@media (max-width: 760px) {
  body { padding: 24px 16px 40px; }
  h1 { font-size: 25px; }
  .banner { padding: 16px 16px 18px; margin: 0 -4px; }
  .pair { grid-template-columns: minmax(0, 1fr); }
  section { margin-top: 38px; }
  .chart { font-size: 13px; } .chart .tick { font-size: 13px; } .chart .name { font-size: 13.5px; }
  th, td { padding-right: 10px; }
  dl.wide > div { display: block; }
}
@media print {
  @page { margin: 16mm; }
  body {
    padding: 0; max-width: none; background: none; font-size: 11pt; -webkit-print-color-adjust: exact;
    print-color-adjust: exact;
  }
  section { margin-top: 26px; } h2, h3 { break-after: avoid; }
  .chart, tr, .block, figure { break-inside: avoid; }
  .scroll { overflow: visible; } .scroll > .chart { min-width: 0; }
}
"""
