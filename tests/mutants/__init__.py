"""Would the tests notice, if the core that decides decided otherwise?

Each mutant is a module of the core with one small change: a comparison turned round, a condition negated, a word or a
number replaced, a part of a regular expression left out, a call not made. The tests of that module run on each, in a
process of its own; a mutant that they do not notice survives.
"""
