"""The persistent kernel itself, unchanged, on an emulated GPU: the host writes into its rings while it polls them."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from fused_kernels.errors import KernelError
from workbench.ring.cuda import memory
from workbench.ring.cuda.facts import facts_of
from workbench.ring.cuda.layout import RINGS, Command, Operation, Reply, Status, Why, checksum
from workbench.ring.cuda.plans import PLANS
from workbench.ring.cuda.program import DeviceLost, Program
from workbench.ring.cuda.ring import Ring

from ...kernels.cuda.emulated_driver import TIMEOUT, Machine  # noqa: TID252

SECOND = 10**9
Launched = Callable[..., Program]


@pytest.fixture
def launched(gpu: Machine) -> Iterator[Launched]:
    """Make programs that are closed at the end."""
    made: list[Program] = []

    def launch(**options: object) -> Program:
        made.append(Program(0, facts_of(0), **options))  # type: ignore[arg-type]
        return made[-1]

    yield launch
    for program in made:
        program.close()


class Work:
    """Arrays that live as long as messages about them."""

    def __init__(self, size: int = 50) -> None:
        self.x = np.random.default_rng(size).standard_normal(size, np.float32)
        self.out = np.zeros((64, size), np.float32)

    def scale(self, id: int, factor: float) -> Command:
        size, out = len(self.x), self.out[id % 64]
        command = Command(id, Operation.SCALE, 0, address(self.x), 0, address(out), 1, size, factor)
        return PLANS[Operation.SCALE](command)

    def check(self, reply: Reply, factor: float) -> None:
        """The checksum is of the right values, by the GPU's own reckoning; and they are where they were asked for."""
        assert reply.status == Status.DONE
        right = self.x * np.float32(factor)
        assert reply.checksum == checksum(right)
        assert np.array_equal(self.out[reply.id % 64], right)


def address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


def taken(ring: Ring) -> Reply:
    reply = ring.take(60)
    assert reply is not None, "no reply"
    return reply


def ringed(program: Program) -> Ring:
    ring = program.ring()
    assert ring is not None
    return ring


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("messages", [3_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_ring_goes_round_and_each_reply_is_its_own(launched: Launched, messages: int) -> None:
    program, work, draw = launched(capacity=4, threads=32, grid=2), Work(), random.Random(0)
    ring = ringed(program)
    sent = received = 0
    while received < messages:
        while sent < messages and not ring.full and draw.random() < 0.8:
            ring.post(work.scale(sent, sent))
            sent += 1
        for _ in range(draw.randint(0, ring.waiting)):
            reply = taken(ring)
            assert (reply.id, reply.number) == (received, received + 1)
            work.check(reply, received)
            received += 1
    assert ring.posted == messages > 700 * program.capacity


def test_a_full_ring_takes_no_more_and_loses_nothing(launched: Launched) -> None:
    program, work = launched(capacity=8), Work()
    ring = ringed(program)
    ring.pause()
    for number in range(8):
        assert not ring.full
        ring.post(work.scale(number, number))
    assert ring.full
    with pytest.raises(AssertionError, match="taken first"):
        ring.post(work.scale(8, 8))
    ring.resume()
    assert [taken(ring).id for _ in range(8)] == list(range(8))
    assert ring.take() is None


def test_each_ring_has_its_turn(launched: Launched) -> None:
    program, work = launched(), Work()
    rings = [ringed(program) for _ in range(RINGS)]
    assert program.ring() is None, "a lane of the first warp looks at each"
    for place, ring in enumerate(rings):
        for number in range(2):
            ring.post(work.scale(2 * place + number, place))
    for place, ring in enumerate(rings):
        for number in range(2):
            reply = taken(ring)
            assert reply.id == 2 * place + number
            work.check(reply, place)
    program.give_back(rings[7])
    again = ringed(program)
    assert (again.lane, again.posted) == (rings[7].lane, 2), "it goes on where it was"
    again.post(work.scale(3, 3))
    assert taken(again).number == 3


def test_a_paused_ring_waits_while_others_are_answered(gpu: Machine, launched: Launched) -> None:
    program, work = launched(linger=60.0, lease=60.0), Work()
    rests, works = ringed(program), ringed(program)
    rests.post(work.scale(1, 1.0))
    taken(rests)
    rests.pause()
    for number in (2, 3):
        rests.post(work.scale(number, number))
    works.post(work.scale(4, 4.0))
    assert taken(works).id == 4
    gpu.looked(200)
    assert rests.take(0) is None
    assert program.launches == 1
    rests.resume()
    assert [taken(rests).id for _ in range(2)] == [2, 3]


def test_the_stop_word_ends_it_and_the_next_message_brings_it_back(gpu: Machine, launched: Launched) -> None:
    program, work = launched(linger=60.0, lease=60.0), Work()
    ring = ringed(program)
    ring.post(work.scale(1, 1.0))
    taken(ring)
    assert program.resident
    assert gpu.busy == 1
    with program.quiet():
        assert not program.resident
        assert gpu.busy == 0
    assert program.why_left is Why.STOPPED
    ring.post(work.scale(2, 2.0))
    reply = taken(ring)
    assert (reply.number, reply.launch) == (2, 2), "what it knew of the ring has outlived the launch"


def test_it_leaves_by_itself_when_the_host_falls_silent(gpu: Machine, launched: Launched) -> None:
    """The watchdog, by a clock that the test sets: nobody asks the kernel to go."""
    program, work = launched(linger=1.0, lease=1e6), Work()
    ring = ringed(program)
    gpu.set_clock(10 * SECOND)
    ring.post(work.scale(1, 1.0))
    taken(ring)
    gpu.set_clock(10 * SECOND + SECOND // 2)
    gpu.looked(100)
    assert program.resident, "half of the time is over"
    program.beat()
    gpu.looked(100)
    gpu.set_clock(11 * SECOND + SECOND // 4)
    gpu.looked(100)
    assert program.resident, "the host has beaten, so the time counts from there"
    gpu.set_clock(12 * SECOND)
    until(lambda: gpu.busy == 0)
    assert program.why_left is Why.IDLE
    assert not program.resident
    ring.post(work.scale(2, 2.0))
    assert taken(ring).launch == 2


def test_it_leaves_after_its_lease_though_messages_come(gpu: Machine, launched: Launched) -> None:
    program, work = launched(linger=60.0, lease=1.0), Work()
    ring = ringed(program)
    gpu.set_clock(10 * SECOND)
    for number in range(20):
        ring.post(work.scale(number, number))
        gpu.set_clock((10 + number) * SECOND)
        work.check(taken(ring), number)
    assert program.launches > 5
    assert program.why_left is Why.LEASE_OVER


def test_who_waits_for_the_whole_device_is_not_held_up(launched: Launched) -> None:
    """As cuMemAlloc and cuMemFree may, while messages never stop."""
    program, work = launched(lease=0.005), Work()
    ring, done, failed = ringed(program), threading.Event(), []

    def allocates() -> None:
        from fused_kernels.cuda import driver

        try:
            with driver.current(0):
                for _ in range(5):
                    memory.free(memory.empty(1000))
        except KernelError as error:
            failed.append(error)
        done.set()

    other = threading.Thread(target=allocates)
    other.start()
    number, deadline = 0, time.monotonic() + 60
    while not done.is_set() and time.monotonic() < deadline:
        ring.post(work.scale(number, number))
        work.check(taken(ring), number)
        number += 1
    other.join(60)
    assert done.is_set()
    assert not failed


@pytest.mark.parametrize("blocks", [1, 2, 64])
def test_large_payloads_are_shared_and_nobody_waits_for_a_block_that_is_not_there(
    gpu: Machine, launched: Launched, blocks: int
) -> None:
    """Three blocks are launched, and only so many find room on the card."""
    gpu.resident(blocks)
    program, work = launched(linger=60.0, lease=60.0), Work(200_000)
    ring = ringed(program)
    helped = 0
    for number in range(1 if blocks == 1 else 200):
        ring.post(work.scale(number, number + 1))
        reply = taken(ring)
        work.check(reply, number + 1)
        helped += reply.helped
        if helped:
            break
    assert (helped > 0) == (blocks > 1)


def test_without_a_persistent_kernel_a_batch_is_a_launch(gpu: Machine, launched: Launched) -> None:
    gpu.set(TIMEOUT, 1)
    program, work = launched(), Work()
    ring = ringed(program)
    for batch in range(3):
        for number in range(5):
            ring.post(work.scale(number, batch))
        assert program.launches == batch
        for number in range(5):
            reply = taken(ring)
            assert reply.id == number
            work.check(reply, batch)
        until(lambda: gpu.busy == 0)
        assert program.launches == batch + 1
        assert program.why_left is Why.IDLE


def test_what_it_does_not_know_it_says(launched: Launched) -> None:
    ring, work = ringed(launched()), Work()
    ring.post(Command(1, 99))
    assert taken(ring).status == Status.UNKNOWN
    ring.post(Command(2, Operation.SIMILARITY, rows=3, columns=4, room=2))
    assert taken(ring).status == Status.NO_ROOM
    ring.post(Command(3, Operation.SIMILARITY, rows=3, columns=4, room=100, kept=7))
    assert taken(ring).status == Status.OTHER_STATE, "it counts its rows itself"
    ring.post(work.scale(4, 4.0))
    work.check(taken(ring), 4.0)


def test_a_lost_device_is_told(gpu: Machine, launched: Launched) -> None:
    program, work = launched(linger=60.0, lease=60.0), Work()
    ring = ringed(program)
    ring.post(work.scale(1, 1.0))
    taken(ring)
    ring.pause()
    ring.post(work.scale(2, 2.0))
    gpu.lose()
    with pytest.raises(DeviceLost, match="CUDA_ERROR_LAUNCH_FAILED"):
        ring.take(60)
    assert program.lost
    gpu.lose(0)
