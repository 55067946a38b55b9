"""What do this host's firewall rules do with a new connection?

Text in, records out; nothing here opens a file, a socket or a process, and nothing needs the rest of the project.

>>> from whyrefused.firewall import Packet, judge, load
>>> save = '''*filter
... :INPUT ACCEPT [0:0]
... -A INPUT -p tcp -m tcp --dport 443 -j REJECT --reject-with tcp-reset
... COMMIT
... '''
>>> rules = load(None, {"iptables-save": save})
>>> trace = judge(rules, Packet(source="192.0.2.7", destination="198.51.100.1", port=443))
>>> trace.verdict, trace.how, trace.decided.rule
('reject', 'tcp reset', '-A INPUT -p tcp -m tcp --dport 443 -j REJECT --reject-with tcp-reset')

`load` reads what nft, iptables-save and ipset print (`load_once` the same text of many hosts once), `judge` answers for
one packet, `judge_all` for a whole network in exact parts, `round_trip` adds what becomes of the answer, `fix` names
the smallest change that turns the verdict (`changes` with the rules after each command, `cuts` which of them keeps
another connection out). An answer has three values: what the rules alone do not tell (a rate limit, the user of a
connection, a match that is not modelled) is followed both ways, and becomes `cannot-tell` only when the two ways end
differently.
"""

from __future__ import annotations

from whyrefused.firewall.fix import Change, Wish, changes, fix
from whyrefused.firewall.guard import cuts
from whyrefused.firewall.load import load, load_once
from whyrefused.firewall.model import Packet, Part, RoundTrip, Ruleset, Step, Trace, Unreadable, Verdict
from whyrefused.firewall.round_trip import round_trip
from whyrefused.firewall.start import Hook
from whyrefused.firewall.verdict import judge, judge_all

__all__ = [
    "Change",
    "Hook",
    "Packet",
    "Part",
    "RoundTrip",
    "Ruleset",
    "Step",
    "Trace",
    "Unreadable",
    "Verdict",
    "Wish",
    "changes",
    "cuts",
    "fix",
    "judge",
    "judge_all",
    "load",
    "load_once",
    "round_trip",
]
