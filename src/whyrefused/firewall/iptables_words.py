"""Which words does a line of iptables-save or ipset save have?"""

from __future__ import annotations

import re

WORDS = re.compile(r'"((?:[^"\\]|\\.)*)"(?=\s|$)|(\S+)')


def words(line: str) -> list[str]:
    r"""How does the line fall into words, with quotes and backslashes taken off as xtables_save_string put them on?

    >>> words(r'-A INPUT -m comment --comment "say \"no\" to it" -j DROP')
    ['-A', 'INPUT', '-m', 'comment', '--comment', 'say "no" to it', '-j', 'DROP']
    """
    if '"' not in line:
        return line.split()
    return [re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2] for found in WORDS.finditer(line)]
