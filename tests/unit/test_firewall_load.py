"""How often are the rules of a host read?"""

from __future__ import annotations

from whyrefused.firewall.load import SHORT, load, load_once


def test_what_many_hosts_have_is_read_once() -> None:
    """Hosts of one group have the same rules, word for word: a short text is read once, and a long one is not kept."""
    texts = {"iptables-save": "*filter\n:INPUT DROP [0:0]\nCOMMIT\n"}
    assert load_once(None, texts) is load_once(None, dict(texts))
    assert load(None, texts) is not load(None, texts)
    long = {"iptables-save": f"# {'x' * SHORT}\n{texts['iptables-save']}"}
    assert load_once(None, long).tables[0].chains["INPUT"].policy == "drop"
    assert load_once(None, long) is not load_once(None, long)
