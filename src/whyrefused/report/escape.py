"""How does text from outside reach a reader of a report? As everywhere: `whyrefused.escape`."""

from whyrefused.escape import INVISIBLE, SURROGATE, plain, slug, terminal, visible

__all__ = ["INVISIBLE", "SURROGATE", "plain", "slug", "terminal", "visible"]
