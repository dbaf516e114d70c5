"""Numbers and times of a film's frames from the time stamps of its packets; knows no decoder."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

_STEADY = 5  # equal intervals after which a stream counts as one of constant rate


@dataclass
class Places:
    """Gives the frames of a stream their numbers and times, in ticks of its clock.

    A packet holds a frame, but the frames come out later, in another order, or not at all. A frame's number
    is how many stamps of packets lie before its own, so that one that was lost keeps its place.

    Attributes:
        reordered: The stamps are of the order in the file, not of showing (AVI with B-frames): the frame that
            comes out takes the earliest.
        damaged: Packets may have vanished without a trace, as from a broken transport stream; where the rate
            has been constant, a gap then counts for the frames that fit into it.
        lost: How many frames did not come out so far.
        first_lost: The number of the first of them.
        disordered: How many frames had no stamp, or none later than the frame before; they are put one
            interval after it.
    """

    reordered: bool = False
    damaged: bool = False
    lost: int = 0
    first_lost: int | None = None
    disordered: int = 0
    _stamps: list[int] = field(default_factory=list)  # of packets whose frames are awaited; a heap
    _number: int = 0  # of the next frame
    _missed: int = 0  # frames lost since the last one that came out
    _origin: int | None = None
    _last: int = 0
    _steps: tuple[int, int, int] = (0, 0, 0)  # how many intervals, the shortest, the longest

    def sent(self, stamp: int | None) -> None:
        """Notes the stamp of a packet that goes to the decoder."""
        if stamp is not None:
            heapq.heappush(self._stamps, stamp)

    def failed(self, stamp: int | None) -> None:
        """Notes that the packet of this stamp could not be decoded."""
        self.damaged = True
        if stamp is None:
            self._lose(1)
        elif self.reordered and stamp in self._stamps:  # otherwise a later stamp shows what is missing
            self._stamps.remove(stamp)
            heapq.heapify(self._stamps)
            self._lose(1)

    def next(self, stamp: int | None) -> tuple[int, int] | None:
        """The number of the frame that came out, and its time in ticks since the beginning.

        None where its turn is over: a damaged stream may give a frame after those that follow it.
        """
        if self.reordered:
            stamp = self._stamps[0] if self._stamps else None
        first = self._origin is None
        if self._origin is None:
            known = self._stamps[:1] if stamp is None else [*self._stamps[:1], stamp]
            self._origin = self._last = min(known, default=0)
        awaited = stamp is None or self._reach(stamp, first)
        if stamp is None or (stamp <= self._last and not first):
            if not awaited:
                return None
            self.disordered += not first
            stamp = self._last + (0 if first else max(self._steps[1], 1))
        if not first:
            self._pass(stamp - self._last)
        self._last, self._missed, self._number = stamp, 0, self._number + 1
        return self._number - 1, stamp - self._origin

    def _reach(self, stamp: int, first: bool) -> bool:
        """Passes over the earlier stamps; says whether a frame of this one was awaited."""
        while self._stamps and self._stamps[0] < stamp:
            passed = heapq.heappop(self._stamps)
            self._lose(first or passed > self._last)  # else another of the same stamp
        awaited = bool(self._stamps) and self._stamps[0] == stamp
        if awaited:
            heapq.heappop(self._stamps)
        return awaited

    def end(self) -> None:
        """Notes that no more frames come out."""
        self._lose(len(self._stamps))
        self._stamps = []

    def _pass(self, step: int) -> None:
        """Goes over the interval before a frame; what is missing in it is lost."""
        count, shortest, longest = self._steps
        steady = count >= _STEADY and longest - shortest <= 1
        if self.damaged and steady and step > 1.5 * longest:
            self._lose(round(2 * step / (shortest + longest)) - 1 - self._missed)
        elif not self._missed:
            self._steps = count + 1, min(shortest or step, step), max(longest, step)

    def _lose(self, count: int) -> None:
        if count > 0:
            self.first_lost = self._number if self.first_lost is None else self.first_lost
            self.lost += count
            self._missed += count
            self._number += count
