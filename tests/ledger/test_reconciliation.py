import pytest

from harness.ledger.account import Account
from harness.ledger.reconciliation import Entry, reconcile

ALICE = Account("alice", "gold", "m")
BOB = Account("bob", "gold", "m")


def kinds(*entries: Entry) -> list[tuple[str, Account]]:
    return [(finding.kind, finding.account) for finding in reconcile(entries)]


def test_books_that_agree_balance():
    assert kinds(Entry(ALICE, 30, 30, 30), Entry(BOB, 7, None, 7), Entry(BOB, None, 7, 7)) == []


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        (Entry(ALICE, 30, 30, 29), "under-charge"),
        (Entry(ALICE, 30, 30, 0), "under-charge"),
        (Entry(ALICE, 30, 30, 31), "over-charge"),
        (Entry(ALICE, 30, 30, 60), "double-charge"),
        (Entry(ALICE, 30, 30, 40, costs=(10, 10, 10)), "double-charge"),
        (Entry(ALICE, 30, 30, 40, costs=(12, 12, 6)), "over-charge"),
        (Entry(ALICE, 30, 30, 80, costs=(10, 10, 10)), "over-charge"),
        (Entry(ALICE, 30, 29, 29), "misreported"),
        (Entry(ALICE, 30, 30, None), "unknown"),
        (Entry(ALICE, None, None, 30), "unknown"),
    ],
)
def test_each_disagreement_has_a_name(entry, kind):
    assert kinds(entry) == [(kind, ALICE)]


def test_the_model_servers_number_is_what_is_due():
    assert kinds(Entry(ALICE, None, 30, 0)) == [("under-charge", ALICE)]


def test_unknown_is_not_zero():
    (finding,) = reconcile([Entry(ALICE, 0, 0, None)])
    assert finding.kind == "unknown"
    assert "platform" in finding.text


def test_tokens_charged_to_somebody_else_are_named_as_such_on_both_sides():
    found = reconcile([Entry(ALICE, 30, 30, 18), Entry(BOB, 5, 5, 17)])
    assert [(finding.kind, finding.account) for finding in found] == [
        ("mis-attribution", ALICE),
        ("mis-attribution", BOB),
    ]
    assert "12 tokens" in found[0].text
    assert "bob" in found[0].text


def test_a_shortage_that_nobody_has_too_much_of_is_an_under_charge():
    assert kinds(Entry(ALICE, 30, 30, 18), Entry(BOB, 5, 5, 16)) == [("under-charge", ALICE), ("over-charge", BOB)]


def test_misreported_and_uncharged_are_two_findings():
    assert kinds(Entry(ALICE, 30, 40, 0)) == [("misreported", ALICE), ("under-charge", ALICE)]
