"""The suite: one file per key of `expect`. A package so that `pytest --pyargs whyrefused.checks` finds it installed."""
