"""The report as one page of HTML that needs nothing else: no network, no script."""

from html import escape

from scratch.testing.report import COLUMNS, Cause, Report, headings, told

STYLE = """
:root { color-scheme: light dark; --line: #8884; --bad: #c4302b; --good: #2a8a4a; --soft: #8881; --warn: #b07c00; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem } h2 { font-size: 1.2rem; margin-top: 2.2rem }
code, pre { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
pre { background: var(--soft); border-radius: 6px; padding: .6rem .9rem; overflow-x: auto; margin: .5rem 0; }
.bar { display: flex; height: 12px; border-radius: 6px; overflow: hidden; margin: .8rem 0 .3rem; }
.passed { background: var(--good) } .failed { background: var(--bad) } .reference { background: var(--warn) }
.rest { background: var(--line) }
.cause { border-left: 4px solid var(--bad); background: var(--soft); border-radius: 0 6px 6px 0;
         padding: .5rem 1rem; margin: 1rem 0; overflow-wrap: anywhere }
.cause.reference { border-color: var(--warn); background: var(--soft) }
.cause p { margin: .25rem 0 } .names { font-weight: 600 } .soft { opacity: .7 }
table { border-collapse: collapse; font-size: 14px } td, th { padding: .15rem .7rem; text-align: center }
td:first-child, th:first-child { text-align: left } tr { border-bottom: 1px solid var(--line) }
.bad { color: var(--bad); font-weight: 600 } .good { color: var(--good) }
summary { cursor: pointer }
"""


def as_html(report: Report) -> str:
    counts = report.counts
    total = sum(counts.values()) or 1
    shares = "".join(
        f'<span class="{status.split()[0] if status in ("passed", "failed", "reference wrong") else "rest"}" '
        f'style="width:{100 * count / total:.2f}%" title="{count} {status}"></span>'
        for status, count in counts.items()
    )
    versions = ", ".join(f"{name} {version}" for name, version in report.versions().items() if version)
    parts = [
        f"<h1>{escape(report.candidate)} against {escape(report.reference)}</h1>",
        f"<p>{'Equal' if report.ok else 'Different'}: {', '.join(f'{n} {word}' for word, n in counts.items())}.</p>",
        f'<div class="bar">{shares}</div>',
        f'<p class="soft">{report.date}, {report.seconds:.0f} s; {escape(versions)}</p>',
        f"<pre>{escape(report.command)}</pre>",
    ]
    for title, status in (("What is wrong", "failed"), ("Where the reference is wrong", "reference wrong")):
        if causes := report.causes(status):
            parts += [f"<h2>{title}</h2>", *(card(cause, report, status) for cause in causes)]
    if lacking := report.causes("not offered"):
        lines = [result.finding.cause for cause in lacking for result, _ in cause.kinds if result.finding]
        parts += ["<h2>Options not offered</h2>", f"<p>{'<br>'.join(map(escape, lines))}</p>"]
    if report.missing:
        names = ", ".join(map(escape, report.missing))
        parts.append(
            f"<h2>Names not offered</h2><details><summary>{len(report.missing)} of the table</summary>{names}</details>"
        )
    parts += ["<h2>By name</h2>", overview(report)]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(report.candidate)}</title>\n<style>{STYLE}</style>\n{body}\n</html>\n"
    )


def card(cause: Cause, report: Report, status: str) -> str:
    *lines, rerun = told(cause, report)
    said = "".join(f"<p>{escape(line)}</p>" for line in lines)
    names = escape(", ".join(cause.names))
    equations = "".join(
        f"<details><summary>the page of {escape(name)}</summary><pre>{escape(text)}</pre></details>"
        for name, text in report.pages(cause)
    )
    return (
        f'<div class="cause {status.split()[0]}"><p><span class="names">{names}</span>: {escape(cause.text)}</p>'
        f"{said}<pre>{escape(rerun)}</pre>{equations}</div>"
    )


def overview(report: Report) -> str:
    """A line for each name; the checks that are not passed unfold."""
    columns = headings(result.check for result in report.results)
    rows = [
        "<tr><th>name</th>" + "".join(f"<th>{heading}</th>" for heading in columns) + "<th>cases</th><th>s</th></tr>"
    ]
    for name, results in report.by_name().items():
        cells = []
        for heading in columns:
            about = [result for result in results if result.check in COLUMNS[heading]]
            failed = [result for result in about if result.status == "failed"]
            if failed:
                listed = "".join(f"<br>{escape(result.id)}" for result in failed[:50])
                cells.append(f'<td class="bad"><details><summary>✗ {len(failed)}</summary>{listed}</details></td>')
            else:
                passed = sum(result.status == "passed" for result in about)
                cells.append(f'<td class="good">✓ {passed}</td>' if passed else "<td></td>")
        cases = len({result.title for result in results})
        seconds = sum(result.seconds for result in results)
        rows.append(f"<tr><td>{escape(name)}</td>{''.join(cells)}<td>{cases}</td><td>{seconds:.1f}</td></tr>")
    return f"<table>{''.join(rows)}</table>"
