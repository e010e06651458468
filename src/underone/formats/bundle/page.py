"""The README of a bundle."""

from collections.abc import Iterable

from .record import Bundle, BundledForm

HEAD = ("format", "file", "numbers", "MB", "NMSE", "worst / RMS", "same answers", "run by", "verdict")


def page(bundle: Bundle) -> str:
    """Write the page in Markdown: what it is, the table of proofs, and what the files are."""
    lines = [
        f"# {bundle.name}",
        "",
        f"Task: {bundle.task or 'unknown'}. Weights: {bundle.weights or 'unknown'}. "
        f"Licence of the weights: {bundle.licence or 'unknown'}.",
        "",
        f"Every file was made from `{bundle.source}` and run against it, on a photograph, noise, zeros and "
        "extremes. NMSE is the squared error over the squared signal, the worst value stands beside the RMS "
        "of the reference (both without the zeros, whose small outputs say little); the same answers are best classes, "
        "boxes or pixels on the packaged photographs.",
        "",
        *_table(HEAD, map(cells, bundle.forms)),
        "",
        *(f"- {form.format}: {note}" for form in bundle.forms for note in form.notes),
        *([""] if any(form.notes for form in bundle.forms) else []),
        "`labels.txt` has a class a line, `spec.json` says how a picture is prepared and what the outputs mean, "
        "`bundle.json` has the sha256 of every file. `underone verify-bundle` looks at all of it again.",
        "",
    ]
    return "\n".join(lines)


def cells(form: BundledForm) -> tuple[str, ...]:
    """Give a form as the texts of a row."""
    verdict = {True: "passed", False: "FAILED", None: "not run"}[form.passed]
    errors = ("–" if n is None else f"{n:.1e}" for n in (form.nmse, form.peak))
    share = "–" if form.agreement is None else f"{100 * form.agreement:.2f} %"
    return form.format, form.file, form.dtype, f"{form.bytes / 1e6:.2f}", *errors, share, form.by or "–", verdict


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [_row(head), _row(("---",) * len(head)), *map(_row, rows)]


def _row(texts: tuple[str, ...]) -> str:
    return f"| {' | '.join(texts)} |"
