"""Every promise names what breaks it, in a form that a machine can apply. `make mutants` applies it; here it must not rot."""

from pathlib import Path

import pytest

from tests.support.mutations import PROMISES, DoesNotApply, Mutation, all_tests

ROOT = Path(__file__).resolve().parents[2]


def test_every_promise_names_a_mutation() -> None:
    """What the test is for is shown by what turns it red."""
    assert [test.name for test in all_tests(ROOT, *PROMISES) if not test.mutations] == []


def test_every_mutation_is_in_the_form_and_applies() -> None:
    """Its file is there, what it changes is found and told apart, and another program comes out."""
    faults = []
    for test in all_tests(ROOT):
        if test.malformed:
            faults.append(f"{test.name}: not in the form of CONTRIBUTING.md")
        for each in test.mutations:
            try:
                each.applied((ROOT / each.file).read_text())
            except (DoesNotApply, FileNotFoundError) as error:
                faults.append(f"{test.name}: {each}: {error}")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("after", "old", "new", "words"),
    [
        (None, "a = 2", "a = 1", "occurs 0 times"),
        (None, "a", "c", "occurs 2 times"),
        ("a", "1", "2", "'a' occurs 2 times"),
        ("b = a", "a = 1", "a = 2", "does not stand after"),
        (None, "b = a", "b =", "no Python"),
        (None, "b = a", "b = a", "changes nothing"),
        (None, "# why", "# because", "changes nothing"),
    ],
)
def test_what_does_not_apply_says_why(after: str | None, old: str, new: str, words: str) -> None:
    """Not found, not told apart, no Python, the same program."""
    with pytest.raises(DoesNotApply, match=words):
        Mutation("test", "file.py", after, old, new).applied("a = 1  # why\nb = a\n")


def test_the_first_after_the_words_is_changed() -> None:
    """What stands in several places is told apart by what stands before it."""
    text = "x = 1\ndef one(): return 1\ndef two(): return 1\n"
    mutant = Mutation("test", "file.py", "def one(", "return 1", "return 2").applied(text)
    assert mutant == "x = 1\ndef one(): return 2\ndef two(): return 1\n"
