"""Numbers and times of a film's frames from the time stamps of its packets; knows no decoder."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

_STEADY = 5  # equal intervals after which a stream counts as one of constant rate
_LONGEST = 64  # packets of one stamp that are looked at together


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
        interval: Ticks from frame to frame, as the stream's rate has it; 0: unknown.
        doubled: How many packets had the stamp of the one before; :meth:`apart` sets them apart.
        disordered: How many frames had no stamp, or none later than the frame before; they are put one
            interval after it: the shortest seen, else that of the rate. A next frame whose own stamp has been
            overtaken so is put half an interval later.
    """

    reordered: bool = False
    interval: int = 0
    doubled: int = 0
    damaged: bool = False
    lost: int = 0
    first_lost: int | None = None
    disordered: int = 0
    _stamps: list[int] = field(default_factory=list)  # of packets whose frames are awaited; a heap
    _number: int = 0  # of the next frame
    _missed: int = 0  # frames lost since the last one that came out
    _origin: int | None = None
    _last: int = 0
    _room: float = 0.0  # ticks between packets that were set apart last
    _stated: int = 0  # the last stamp that was a frame's own
    _steps: tuple[int, int, int] = (0, 0, 0)  # how many intervals, the shortest, the longest

    def apart(self, packets: Iterator[Any], hidden: Callable[[Any], bool]) -> Iterator[Any]:
        """The packets in their order, those of one stamp set apart: evenly up to the next stamp.

        Args:
            packets: Have ``pts``, ticks or None.
            hidden: Whether a packet's frame is never shown, so that its stamp may be another's.
        """
        run: list[Any] = []
        try:
            for packet in packets:
                if run and (packet.pts != run[0].pts or len(run) == _LONGEST):
                    yield from self._set_apart(run, packet.pts, hidden)
                    run = []
                run.append(packet)
        except Exception:  # the file breaks off; what came before is whole
            yield from self._set_apart(run, None, hidden)
            raise
        yield from self._set_apart(run, None, hidden)

    def _set_apart(self, run: list[Any], following: int | None, hidden: Callable[[Any], bool]) -> list[Any]:
        if len(run) < 2 or run[0].pts is None:
            return run
        shown = [packet for packet in run if not hidden(packet)]
        stamp, count = run[0].pts, len(shown)
        room = count * self.interval
        if following is not None and following > stamp:
            room = min(room or following - stamp, following - stamp)
        elif self._room:  # at the end, as before
            room = round(count * self._room)
        if room < count or count < 2:  # the clock is too coarse
            return run
        for place, packet in enumerate(shown):
            packet.pts = stamp + room * place // count
        self.doubled, self._room = self.doubled + count - 1, room / count
        return run

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
            self._origin = self._last = self._stated = min(known, default=0)
        awaited = stamp is None or self._reach(stamp, first)
        if stamp is None or (stamp <= self._last and not first):
            if not awaited:
                return None
            self.disordered += not first
            step = 0 if first else max(self._steps[1] or self.interval, 1)
            if stamp is not None and stamp > self._stated:
                self._stated, step = stamp, max(step // 2, 1)
            stamp = self._last + step
        else:
            self._stated = stamp
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
