"""Places and times of frames by hand, from the stamps of packets alone."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from posekit.io.frame_places import Places


def test_places_by_hand():
    places = Places()
    for stamp in (100, 400, 200, 300, 500):  # in the order of decoding
        places.sent(stamp)
    assert [places.next(stamp) for stamp in (100, 200, 500)] == [(0, 0), (1, 100), (4, 400)]
    assert (places.lost, places.first_lost) == (2, 2)
    places.sent(600)
    places.end()
    assert places.lost == 3


def test_the_beginning_is_the_first_frames_though_it_is_lost():
    places = Places()
    for stamp in (7, 8, 9):
        places.sent(stamp)
    assert [places.next(8), places.next(9)] == [(1, 1), (2, 2)]


def test_the_order_alone_tells_where_stamps_are_those_of_the_file():
    places = Places(reordered=True)
    for stamp in (0, 1, 2, 3):
        places.sent(stamp)
    places.failed(2)
    assert [places.next(stamp)[1] for stamp in (0, 3, 1)] == [0, 1, 3]
    assert places.lost == 1


def test_stamps_that_do_not_increase():
    places = Places()
    found = []
    for stamp in (0, 10, 20, 20, None, 5, 60):
        places.sent(stamp)
        found.append(places.next(stamp))
    assert found == [(0, 0), (1, 10), (2, 20), (3, 30), (4, 40), (5, 50), (6, 60)]
    assert (places.disordered, places.lost) == (3, 0)


def test_stamps_that_were_overtaken_come_back_into_step():
    places = Places(interval=10)
    found = []
    for stamp in (0, None, None, 20, 30, 40):
        places.sent(stamp)
        found.append(places.next(stamp)[1])
    assert found == [0, 10, 20, 25, 30, 40]
    assert places.disordered == 3


@dataclass
class Packet:
    pts: int | None


@pytest.mark.parametrize(
    ("stamps", "interval", "expected"),
    [
        ([0, 0, 66, 66, 132, 132], 33, [0, 33, 66, 99, 132, 165]),
        ([0, 0, 66, 66, 132, 132], 66, [0, 33, 66, 99, 132, 165]),  # as is guessed from the stamps
        ([0, 0, 0, 9, 10], 0, [0, 3, 6, 9, 10]),
        ([0, 0, 1000, 1033], 33, [0, 33, 1000, 1033]),  # before a pause
        ([0, 0, 1, 2, 2], 1, [0, 0, 1, 2, 3]),  # there is no room for it
        ([5, 5, 3, None, None, 8], 2, [5, 7, 3, None, None, 8]),
        ([7, 8, 8], 0, [7, 8, 8]),
    ],
)
def test_stamps_of_several_are_set_apart(stamps, interval, expected):
    places = Places(interval=interval)
    packets = places.apart(map(Packet, stamps), lambda packet: False)
    assert [packet.pts for packet in packets] == expected
    assert places.doubled == sum(a != b for a, b in zip(stamps, expected, strict=True))


def test_packets_before_a_fault_are_not_lost_and_hidden_ones_take_no_room():
    def broken():
        yield from (Packet(0), Packet(0))
        raise OSError

    packets = Places(interval=2).apart(broken(), lambda packet: False)
    assert [next(packets).pts, next(packets).pts] == [0, 2]
    with pytest.raises(OSError):  # noqa: PT011 - bare, as it was raised
        next(packets)
    first, second, third = Packet(0), Packet(0), Packet(10)
    places = Places(interval=10)
    assert list(places.apart(iter((first, second, third)), lambda packet: packet is first))[1].pts == 0
    assert places.doubled == 0


@pytest.mark.parametrize(("damaged", "expected"), [(True, 10), (False, 7)])
def test_a_gap_counts_only_where_something_was_damaged(damaged, expected):
    """A camera that leaves out frames in the dark has gaps, too."""
    places = Places(damaged=damaged)
    for stamp in (0, 10, 20, 30, 40, 50, 60, 100):
        places.sent(stamp)
        last = places.next(stamp)
    assert last == (expected, 100)
