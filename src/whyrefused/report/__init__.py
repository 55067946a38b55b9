"""What does the reader get? Findings as JSON, a page, a sentence; all escaping happens here, once.

Everything is a pure function of the run but `write`. Sorted on the way out, so that the order in which hosts answered
never shows: the same run gives the same bytes.
"""

from whyrefused.escape import terminal
from whyrefused.files import write
from whyrefused.report.findings import cause_ids, findings, in_parts, schema, to_json
from whyrefused.report.page import page, warm_up
from whyrefused.report.pseudonyms import shareable
from whyrefused.report.totals import summary

__all__ = [
    "cause_ids",
    "findings",
    "in_parts",
    "page",
    "schema",
    "shareable",
    "summary",
    "terminal",
    "to_json",
    "warm_up",
    "write",
]
