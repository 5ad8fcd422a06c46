"""How the tests read the documentation: what they take for a command, for its output, and for an excuse."""

from tests.support.pages import differences, parsed

PAGE = """
# A page

```sh
first
```

It prints:

```text
one
```

> Not run by the tests: it needs
> a real AWS account.

```sh
second
```

<!-- generated: commands -->
```
quarry run
```
<!-- end -->

```python
third
```
"""


def test_a_page_is_its_blocks() -> None:
    """In order, with their lines; what a program writes is left to that."""
    assert [(block.line, block.language, block.text) for block in parsed("page.md", PAGE)] == [
        (4, "sh", "first\n"),
        (10, "text", "one\n"),
        (17, "sh", "second\n"),
        (27, "python", "third\n"),
    ]


def test_a_block_has_the_output_that_follows_it() -> None:
    """And no other block's."""
    assert [block.shown for block in parsed("page.md", PAGE)] == ["one\n", None, None, None]


def test_an_excuse_belongs_to_the_block_below_it() -> None:
    """It is told in one line."""
    assert [block.excuse for block in parsed("page.md", PAGE)] == [None, None, "it needs a real AWS account.", None]


def test_output_may_differ_in_what_is_new_each_time() -> None:
    """Ids, instants, fractions, widths, and what the page leaves out: whole lines, and parts of one."""
    shown = "id  0123456789abcdef0123456789abcdef\nat 2026-11-21T09:12:40.5Z after 0.1 s\nquarry: … done\n"
    printed = "id fedcba9876543210fedcba9876543210\nnoise\nat 2027-01-01T00:00:00Z after 12.75 s\nquarry: 7 lines done\n"
    assert differences(shown, printed) == []


def test_output_may_not_differ_in_anything_else() -> None:
    """A number, a word, the order of lines."""
    assert differences("1 done\n", "2 done\n") == ["1 done"]
    assert differences("a\nb\n", "b\na\n") == ["b"]
    assert differences("done\n", "not done\n") == ["done"]
