"""The page of plain Records: forms of one network apart, what was fed, refusals."""

import re

from underone.bench.machine import Machine
from underone.bench.record import Protocol, Record
from underone.bench.records_page import write_records_page

IDLE = Machine(cpu="cpu", cores=2, features=("avx2",), memory_gb=8, os="Linux", governor="performance", virtual=False)


def record(**changes):
    fields = {
        "model": "m", "engine": "native", "threads": 1, "precision": "float32", "machine": IDLE,
        "protocol": Protocol(), "samples_ms": (1.0, 2.0, 1.0) * 4, "round_sizes": (3,) * 4,
    }  # fmt: skip
    return Record(**(fields | changes))


def rows_of(page):
    return [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall("<tr>(<td.*?)</tr>", page, re.DOTALL)]


def test_forms_of_a_network_and_what_they_were_fed_are_told_apart(tmp_path):
    photo = Protocol(input="photo")
    records = [record(form=form, protocol=photo) for form in ("folded", "training")]
    refused = record(engine="openvino", samples_ms=(), round_sizes=(), error="it cannot")
    page = write_records_page([*records, record(model="n"), refused], tmp_path).read_text("utf-8")
    assert [(row[0], row[1], row[4]) for row in rows_of(page)] == [
        ("m, folded", "native", "photo"),
        ("m, training", "native", "photo"),
        ("n", "native", "noise"),
        ("m", "openvino", "–"),
    ]
    assert "folded, native, 1 thread, float32" in page  # below the samples of the plot
    assert "m, openvino, 1 thread, float32" in page
    assert "it cannot" in page


def test_flows_do_not_share_a_table(tmp_path):
    streamed = record(protocol=Protocol(input="photo", flow="stream"))
    page = write_records_page([record(), streamed], tmp_path).read_text("utf-8")
    assert page.count("<table") == 2
    assert "of a picture through a stream" in page
