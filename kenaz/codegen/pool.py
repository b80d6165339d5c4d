"""Threads in native code: jobs `function(block, chunk)` whose chunks are claimed one by one by whoever is free.

The caller claims chunks too and can drain a job alone, so that a worker which the operating system does not run costs
nothing. One 64-bit ticket holds the number of the job and the next chunk; a compare-and-swap on both means that a late
worker cannot claim a chunk of a newer job by mistake. A job closes the ticket before it changes what the ticket guards.
Idle workers spin for some microseconds and then sleep on a futex; elsewhere than on Linux everything runs on the
caller.

Linux often wakes a worker on the CPU of the caller, which woke it, and lets the two take turns there for many
milliseconds while another CPU is idle. So a caller takes its own CPU out of those where the workers that it wakes may
run; awake, they may run anywhere again. And a caller that has waited long for a worker lets it have the CPU.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys

import numpy as np

from ..runtime import threads
from . import jit

_FUTEX = {("linux", "x86_64"): 202, ("linux", "aarch64"): 98, ("linux", "arm64"): 98}.get(
    (sys.platform, platform.machine())
)
_YIELD, _GETTID = {202: (24, 186), 98: (124, 178)}.get(_FUTEX or 0, (0, 0))
MOST_WORKERS = 63

_TEXT = """
@ticket = global i64 0, align 64
@chunks = global i64 0, align 64
@job = global i64 0, align 64
@given = global i64 0, align 64
@finished = global i64 0, align 64
@asleep = global i32 0, align 64
@number = global i32 0, align 64
@active = global i64 0, align 64
@tids = global [4 x i32] zeroinitializer
@cpus = global [16 x i64] zeroinitializer
@thread = global i64 0
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
declare i64 @syscall(i64, i64, i64, i64, i64, i64, i64)
declare i32 @clock_gettime(i32, ptr)
PAUSE_DECLARE
STEER

define void @drain(i64 %number) {
start:
  br label %look
look:
  %t = load atomic i64, ptr @ticket seq_cst, align 8
  %of = lshr i64 %t, 32
  %same = icmp eq i64 %of, %number
  br i1 %same, label %check, label %out
check:
  %chunk = and i64 %t, 4294967295
  %n = load atomic i64, ptr @chunks monotonic, align 8
  %more = icmp ult i64 %chunk, %n
  br i1 %more, label %try, label %out
try:
  %f = load atomic i64, ptr @job monotonic, align 8
  %a = load atomic i64, ptr @given monotonic, align 8
  %next = add i64 %t, 1
  %swap = cmpxchg ptr @ticket, i64 %t, i64 %next seq_cst seq_cst
  %mine = extractvalue {i64, i1} %swap, 1
  br i1 %mine, label %do, label %look
do:
  %function = inttoptr i64 %f to ptr
  call void %function(i64 %a, i64 %chunk)
  %old = atomicrmw add ptr @finished, i64 1 seq_cst
  br label %look
out:
  ret void
}

define ptr @worker(ptr %me) {
start:
  %index = ptrtoint ptr %me to i64
  %first = load atomic i32, ptr @number acquire, align 4
  call void @enter(i64 %index)
  br label %top
top:
  %last = phi i32 [%first, %start], [%now, %go], [%now, %again]
  br label %spin
spin:
  %k = phi i32 [0, %top], [%k1, %idle], [0, %sleep]
  %now = load atomic i32, ptr @number acquire, align 4
  %new = icmp ne i32 %now, %last
  br i1 %new, label %again, label %idle0
again:
  %allowed = load atomic i64, ptr @active monotonic, align 8
  %may = icmp slt i64 %index, %allowed
  br i1 %may, label %go, label %top
idle0:
  PAUSE
  %k1 = add i32 %k, 1
  %tired = icmp sgt i32 %k1, SPINS
  br i1 %tired, label %sleep, label %idle
idle:
  br label %spin
sleep:
  %s0 = atomicrmw add ptr @asleep, i32 1 seq_cst
  %address = ptrtoint ptr @number to i64
  %was = zext i32 %last to i64
  %r = call i64 @syscall(i64 FUTEX, i64 %address, i64 128, i64 %was, i64 0, i64 0, i64 0)
  %s1 = atomicrmw sub ptr @asleep, i32 1 seq_cst
  call void @roam(i64 %index)
  br label %spin
go:
  %number = zext i32 %now to i64
  call void @drain(i64 %number)
  br label %top
}

define i64 @start_worker(i64 %index) {
  %me = inttoptr i64 %index to ptr
  %r = call i32 @pthread_create(ptr @thread, ptr null, ptr @worker, ptr %me)
  %w = sext i32 %r to i64
  ret i64 %w
}

define void @set_active(i64 %n) {
  store atomic i64 %n, ptr @active seq_cst, align 8
  ret void
}

define void @forget() {
  store atomic i64 0, ptr @active seq_cst, align 8
  store atomic i32 0, ptr @asleep seq_cst, align 4
  store [4 x i32] zeroinitializer, ptr @tids
  ret void
}

define void @share(i64 %f, i64 %a, i64 %n) {
start:
  %old = load i32, ptr @number
  %number = add i32 %old, 1
  %wide = zext i32 %number to i64
  %open = shl i64 %wide, 32
  %closed = or i64 %open, 4294967295
  store atomic i64 %closed, ptr @ticket seq_cst, align 8
  store atomic i64 %f, ptr @job monotonic, align 8
  store atomic i64 %a, ptr @given monotonic, align 8
  store atomic i64 %n, ptr @chunks monotonic, align 8
  store atomic i64 0, ptr @finished monotonic, align 8
  store atomic i64 %open, ptr @ticket seq_cst, align 8
  store atomic i32 %number, ptr @number seq_cst, align 4
  %sleepers = load atomic i32, ptr @asleep seq_cst, align 4
  %any = icmp ne i32 %sleepers, 0
  br i1 %any, label %wake, label %work
wake:
  call void @steer()
  %address = ptrtoint ptr @number to i64
  %r = call i64 @syscall(i64 FUTEX, i64 %address, i64 129, i64 64, i64 0, i64 0, i64 0)
  br label %work
work:
  call void @drain(i64 %wide)
  br label %wait
wait:
  %k = phi i32 [0, %work], [%k1, %longer], [0, %late]
  %done = load atomic i64, ptr @finished acquire, align 8
  %all = icmp eq i64 %done, %n
  br i1 %all, label %out, label %longer
longer:
  PAUSE
  %k1 = add i32 %k, 1
  %tired = icmp sgt i32 %k1, SPINS
  br i1 %tired, label %late, label %wait
late:
  %y = call i64 @syscall(i64 YIELD, i64 0, i64 0, i64 0, i64 0, i64 0, i64 0)
  br label %wait
out:
  ret void
}

define void @run_one(i64 %f, i64 %a, i64 %n) {
start:
  %active = load i64, ptr @active
  %alone = icmp sle i64 %active, 0
  %single = icmp sle i64 %n, 1
  %here = or i1 %alone, %single
  br i1 %here, label %loop, label %together
together:
  call void @share(i64 %f, i64 %a, i64 %n)
  ret void
loop:
  %i = phi i64 [0, %start], [%i1, %body]
  %more = icmp slt i64 %i, %n
  br i1 %more, label %body, label %out
body:
  %function = inttoptr i64 %f to ptr
  call void %function(i64 %a, i64 %i)
  %i1 = add i64 %i, 1
  br label %loop
out:
  ret void
}

define void @run(ptr %jobs, i64 %count) {
start:
  br label %head
head:
  %i = phi i64 [0, %start], [%i1, %body]
  %more = icmp slt i64 %i, %count
  br i1 %more, label %body, label %out
body:
  %at = mul i64 %i, 3
  %pf = getelementptr i64, ptr %jobs, i64 %at
  %pa = getelementptr i64, ptr %pf, i64 1
  %pn = getelementptr i64, ptr %pf, i64 2
  %f = load i64, ptr %pf
  %a = load i64, ptr %pa
  %n = load i64, ptr %pn
  call void @run_one(i64 %f, i64 %a, i64 %n)
  %i1 = add i64 %i, 1
  br label %head
out:
  ret void
}

define void @run_timed(ptr %jobs, i64 %count, ptr %times) {
start:
  %r0 = call i32 @clock_gettime(i32 1, ptr %times)
  br label %head
head:
  %i = phi i64 [0, %start], [%i1, %body]
  %more = icmp slt i64 %i, %count
  br i1 %more, label %body, label %out
body:
  %at = mul i64 %i, 3
  %pf = getelementptr i64, ptr %jobs, i64 %at
  call void @run(ptr %pf, i64 1)
  %i1 = add i64 %i, 1
  %slot = mul i64 %i1, 2
  %pt = getelementptr i64, ptr %times, i64 %slot
  %r1 = call i32 @clock_gettime(i32 1, ptr %pt)
  br label %head
out:
  ret void
}
"""
# Which CPUs the first workers, whose numbers `enter` notes, may use: all but the caller's (`steer`) until they are
# awake (`roam`). A machine with more CPUs has idle ones for the others.
_STEER = """
declare i32 @sched_getcpu()
declare i32 @sched_setaffinity(i32, i64, ptr)
declare i32 @sched_getaffinity(i32, i64, ptr)

define void @enter(i64 %index) {
start:
  %first = icmp ult i64 %index, 4
  br i1 %first, label %note, label %out
note:
  %tid = call i64 @syscall(i64 GETTID, i64 0, i64 0, i64 0, i64 0, i64 0, i64 0)
  %short = trunc i64 %tid to i32
  %at = getelementptr i32, ptr @tids, i64 %index
  store atomic i32 %short, ptr %at monotonic, align 4
  br label %out
out:
  ret void
}

define void @roam(i64 %index) {
start:
  %first = icmp ult i64 %index, 4
  br i1 %first, label %free, label %out
free:
  %r = call i32 @sched_setaffinity(i32 0, i64 128, ptr @cpus)
  br label %out
out:
  ret void
}

define void @steer() {
start:
  %others = alloca [16 x i64]
  %n = call i32 @sched_getaffinity(i32 0, i64 128, ptr @cpus)
  %cpu = call i32 @sched_getcpu()
  %small = icmp ult i32 %cpu, 1024
  br i1 %small, label %copy, label %out
copy:
  %all = load [16 x i64], ptr @cpus
  store [16 x i64] %all, ptr %others
  %wide = zext i32 %cpu to i64
  %word = lshr i64 %wide, 6
  %place = and i64 %wide, 63
  %bit = shl i64 1, %place
  %rest = xor i64 %bit, -1
  %at = getelementptr i64, ptr %others, i64 %word
  %old = load i64, ptr %at
  %new = and i64 %old, %rest
  store i64 %new, ptr %at
  br label %head
head:
  %i = phi i64 [0, %copy], [%i1, %set]
  %more = icmp ult i64 %i, 4
  br i1 %more, label %body, label %out
body:
  %who = getelementptr i32, ptr @tids, i64 %i
  %tid = load atomic i32, ptr %who monotonic, align 4
  %there = icmp ne i32 %tid, 0
  br i1 %there, label %set, label %out
set:
  %r = call i32 @sched_setaffinity(i32 %tid, i64 128, ptr %others)
  %i1 = add i64 %i, 1
  br label %head
out:
  ret void
}
"""
_STAY = """
define void @enter(i64 %index) {
  ret void
}

define void @roam(i64 %index) {
  ret void
}

define void @steer() {
  ret void
}
"""
_SPINS = 4000  # about a hundred microseconds


def _text() -> str:
    x86 = platform.machine() in ("x86_64", "AMD64")
    declare = "declare void @llvm.x86.sse2.pause()" if x86 else ""
    pause = "call void @llvm.x86.sse2.pause()" if x86 else "fence seq_cst"
    text = _TEXT.replace("PAUSE_DECLARE", declare).replace("PAUSE", pause)
    text = text.replace("STEER", _STEER if _FUTEX else _STAY)
    for name, number in (("SPINS", _SPINS), ("FUTEX", _FUTEX or 0), ("YIELD", _YIELD), ("GETTID", _GETTID)):
        text = text.replace(name, str(number))
    return text


class _Native:
    """The pool's functions, compiled at the first use."""

    def __init__(self) -> None:
        names = ("run", "run_one", "run_timed", "start_worker", "set_active", "forget")
        found = jit.compile_module(_text(), names)
        i64, pointer = ctypes.c_int64, ctypes.c_void_p
        self.run = ctypes.CFUNCTYPE(None, pointer, i64)(found["run"])
        self.run_one = ctypes.CFUNCTYPE(None, i64, i64, i64)(found["run_one"])
        self.run_timed = ctypes.CFUNCTYPE(None, pointer, i64, pointer)(found["run_timed"])
        self.start_worker = ctypes.CFUNCTYPE(i64, i64)(found["start_worker"])
        self.set_active = ctypes.CFUNCTYPE(None, i64)(found["set_active"])
        self.forget = ctypes.CFUNCTYPE(None)(found["forget"])
        self.workers = self.active = 0


_native: list[_Native] = []


def native() -> _Native:
    """The pool with as many threads as `set_num_threads` allows. One Python thread may use it at a time."""
    if not _native:
        _native.append(_Native())
    pool = _native[0]
    wanted = min(threads.get_num_threads() - 1, MOST_WORKERS) if _FUTEX else 0
    if wanted != pool.active:
        while pool.workers < wanted and pool.start_worker(pool.workers) == 0:
            pool.workers += 1
        pool.active = min(wanted, pool.workers)
        pool.set_active(pool.active)
    return pool


def run(function: int, block: np.ndarray, chunks: int) -> None:
    """Run every chunk of one job; `block` is an int64 array that the function reads."""
    native().run_one(function, block.ctypes.data, chunks)


def forget_threads() -> None:
    """After a fork the workers are gone; the next use starts new ones."""
    for pool in _native:
        pool.forget()
        pool.workers = pool.active = 0


os.register_at_fork(after_in_child=forget_threads)
