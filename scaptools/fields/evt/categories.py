"""Categories: what an event is about, in one word.

System calls that only move data take their category from the descriptor they work on. Generic events take it from the
system call in sysdig 0.29.3, whose table this is; today's libraries call them all other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from scap_formats.table import event_table, syscall_table
from scap_formats.types import EventCategory, ParamType
from scaptools.columns import Coded, Texts
from scaptools.fields.evt.groups import type_groups
from scaptools.fields.evt.kinds import GENERIC_TYPES, syscall_codes
from scaptools.fields.model import Cost, Field

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from scap_formats.table import EventType
    from scaptools.capture.batch import EventBatch
    from scaptools.columns import Rows
    from scaptools.fields.evt.context import EventContext
    from scaptools.fields.paramtext import Dialect

_WORDS = (
    b"unknown",
    b"other",
    b"file",
    b"net",
    b"IPC",
    b"memory",
    b"process",
    b"sleep",
    b"system",
    b"signal",
    b"user",
    b"time",
    b"processing",
    b"wait",
    b"scheduler",
    b"internal",
    b"ipc",
)
_CODES: Mapping[bytes, int] = {word: code for code, word in enumerate(_WORDS)}
_UNKNOWN = _CODES[b"unknown"]
_BY_DESCRIPTOR = frozenset({EventCategory.IO_READ, EventCategory.IO_WRITE, EventCategory.IO_OTHER})
_PRINTED_AS = {EventCategory.IPC: b"IPC"}

#: What sysdig 0.29.3 says of a system call it has no event type for, by the word; all others are unknown to it.
_GENERIC_SYSCALLS = {
    b"other": "unknown ptrace vhangup rt_tgsigqueueinfo perf_event_open clock_adjtime bdflush bpf seccomp",
    b"system": """
        restart_syscall sethostname reboot syslog uname swapoff sysinfo setdomainname adjtimex init_module delete_module
        quotactl sysfs kexec_load add_key request_key keyctl olduname finit_module execve execveat
    """,
    b"process": """
        exit getpid acct setpgid umask getppid getpgrp setsid setrlimit getrusage uselib swapon getpriority setpriority
        getpgid personality getsid sched_setparam sched_getparam sched_setscheduler sched_getscheduler
        sched_get_priority_max sched_get_priority_min sched_rr_get_interval prctl capget capset getrlimit pivot_root
        gettid sched_setaffinity sched_getaffinity set_thread_area get_thread_area set_tid_address ioprio_set ioprio_get
        unshare set_robust_list get_robust_list getcpu prlimit64 setns ugetrlimit nice arch_prctl clone clone3
    """,
    b"file": """
        open close creat link unlink chdir mknod chmod stat lseek mount fstat access rename mkdir rmdir ustat symlink
        lstat readlink mmap munmap truncate ftruncate fchmod statfs fstatfs fchdir getdents flock mremap getcwd sendfile
        lchown fchown chown setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr
        removexattr lremovexattr fremovexattr remap_file_pages utimes openat mkdirat mknodat fchownat futimesat unlinkat
        renameat linkat symlinkat readlinkat fchmodat faccessat utimensat syncfs statfs64 fstatfs64 fstatat64 sendfile64
        stat64 lstat64 fstat64 fcntl64 mmap2 umount _llseek pread64 pwrite64 renameat2 userfaultfd openat2 umount2
        copy_file_range
    """,
    b"time": """
        time alarm utime times gettimeofday settimeofday setitimer getitimer timer_create timer_settime timer_gettime
        timer_getoverrun timer_delete clock_settime clock_gettime clock_getres timerfd_create timerfd_settime
        timerfd_gettime stime
    """,
    b"wait": """
        pause fcntl wait4 select poll epoll_create epoll_ctl epoll_wait waitid pselect6 ppoll epoll_pwait epoll_create1
        _newselect waitpid
    """,
    b"IPC": """
        kill pipe chroot futex mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr inotify_init
        inotify_add_watch inotify_rm_watch splice tee vmsplice eventfd eventfd2 pipe2 inotify_init1 fanotify_init
        getdents64 semop semget semctl msgsnd msgrcv msgget msgctl shmdt shmget shmctl ipc shmat
    """,
    b"memory": "brk mprotect mlock munlock mlockall munlockall mincore madvise",
    b"sleep": "sched_yield nanosleep clock_nanosleep",
    b"signal": """
        rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend tkill
        tgkill signalfd signalfd4 sigprocmask sgetmask ssetmask sigpending signal sigreturn
    """,
    b"user": """
        getuid getgid geteuid getegid setreuid setregid getgroups setgroups setresuid getresuid setresgid getresgid
        setuid setgid setfsuid setfsgid
    """,
    b"net": """
        socket bind connect listen accept getsockname getpeername socketpair sendto recvfrom shutdown setsockopt
        getsockopt sendmsg sendmmsg recvmsg recvmmsg accept4 socketcall
    """,
}


@cache
def _of_types(dialect: Dialect) -> NDArray[np.int8]:
    """The code of each event type's category."""

    def word(event: EventType) -> bytes:
        classic = dialect.old_view and event.old_params is not None
        if event.category in _BY_DESCRIPTOR or (classic and event.category is EventCategory.INTERNAL):
            return b"unknown"
        return _PRINTED_AS.get(event.category, event.category.name.lower().encode())

    return np.array([_CODES[word(event)] for event in event_table().events], np.int8)


@cache
def _of_syscalls() -> NDArray[np.int8]:
    """The code of each generic system call's category, ``unknown`` also behind the last one."""
    codes = np.full(len(syscall_table().syscalls) + 1, _UNKNOWN, np.int8)
    for word, names in _GENERIC_SYSCALLS.items():
        wanted = set(names.split())
        codes[[call.code for call in syscall_table().syscalls if call.name in wanted]] = _CODES[word]
    return codes


@cache
def _of_descriptors() -> NDArray[np.int8]:
    """The code of each descriptor type's category, by its number."""
    from scap_formats.descriptors import DescriptorType as Type

    codes = np.full(max(Type) + 1, _UNKNOWN, np.int8)
    for word, types in (
        (b"file", (Type.FILE, Type.FILE_V2, Type.DIRECTORY)),
        (b"net", (Type.IPV4_SOCKET, Type.IPV6_SOCKET, Type.IPV4_SERVER_SOCKET, Type.IPV6_SERVER_SOCKET)),
        (
            b"ipc",
            (Type.FIFO, Type.UNIX_SOCKET, Type.EVENTFD, Type.SIGNALFD, Type.INOTIFY, Type.USERFAULTFD),
        ),
    ):
        codes[list(types)] = _CODES[word]
    return codes


@dataclass(frozen=True)
class _Category:
    """The extractor, in the words of a dialect and with what a context knows of descriptors."""

    dialect: Dialect
    context: EventContext | None

    def __call__(self, batch: EventBatch, rows: Rows, _argument: Any) -> Coded:
        codes = _of_types(self.dialect)[batch.header("type", rows)]
        if self.dialect.old_view:
            for group in type_groups(batch, rows, lambda event: event.id in GENERIC_TYPES):
                codes[group.places] = _of_syscalls()[syscall_codes(group, self.dialect)]
        if self.context is not None:
            for group in type_groups(batch, rows, lambda event: event.category in _BY_DESCRIPTOR):
                types = self.context.fd_types(batch, group.rows)
                words = _of_descriptors()
                known = types.validity() & (types.values >= 0) & (types.values < len(words))
                codes[group.places] = np.where(known, words[np.where(known, types.values, 0)], _UNKNOWN)
        return Coded(codes, _words())


@cache
def _words() -> Texts:
    return Texts.of(_WORDS)


def category_fields(dialect: Dialect, context: EventContext | None) -> tuple[Field, ...]:
    """``evt.category``; without a context, what moves data through a descriptor is unknown."""
    description = "What the event is about: file, net, IPC, memory, process, ..."
    return (Field("evt.category", ParamType.CHARBUF, description, _Category(dialect, context), cost=Cost.PARAMETERS),)
