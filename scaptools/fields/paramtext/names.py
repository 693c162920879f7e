"""Names: the words that stand for numbers - errors, signals, system calls, flags."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from scap_formats.table import event_table, syscall_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scaptools.fields.paramtext.style import Dialect

#: The descriptor that stands for the working directory.
AT_FDCWD = -100

# In the order of their numbers from 1; - is a number without a name.
_ERRORS = """
EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY EEXIST EXDEV
ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK
ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP - ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT
EBADE EBADR EXFULL ENOANO EBADRQC EBADSLT - EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV ESRMNT
ECOMM EPROTO EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD ELIBSCN ELIBMAX ELIBEXEC EILSEQ
ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT
EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET
ENOBUFS EISCONN ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS
ESTALE EUCLEAN ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED
"""
_RESTARTS = "ERESTARTSYS ERESTARTNOINTR ERESTARTNOHAND ENOIOCTLCMD ERESTART_RESTARTBLOCK"
_NFS_ERRORS = """
EBADHANDLE ENOTSYNC EBADCOOKIE ENOTSUPP ETOOSMALL ESERVERFAULT EBADTYPE EJUKEBOX EIOCBQUEUED EIOCBRETRY
"""
_SIGNALS = """
SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM SIGTERM
SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO SIGPWR
SIGSYS
"""


def _numbered(words: str, first: int) -> dict[int, bytes]:
    return {number: word.encode() for number, word in enumerate(words.split(), first) if word != "-"}


#: Error numbers (positive) and their names, the kernel's internal ones included.
ERRORS: Mapping[int, bytes] = MappingProxyType(
    _numbered(_ERRORS, 1) | _numbered(_RESTARTS, 512) | _numbered(_NFS_ERRORS, 521)
)
#: What a negative descriptor stands for, by the descriptor.
NEGATIVE_FDS: Mapping[int, bytes] = MappingProxyType(
    {-number: name for number, name in ERRORS.items()} | {AT_FDCWD: b"AT_FDCWD"}
)
SIGNALS: Mapping[int, bytes] = MappingProxyType(_numbered(_SIGNALS, 1))

#: Names sysdig 0.29.3 prints for codes that have another one: it knows no 32-bit variants.
_32_BIT = "setuid getuid setgid geteuid getgid setresuid setresgid getresuid getresgid"
_CLASSIC_SYSCALLS = {
    "unknown": "<unknown>",
    "newfstatat": "newfstatat",
    "_newselect": "newselect",
    "_llseek": "llseek",
} | {f"{name}32": name for name in _32_BIT.split(" ")}
#: What a code nobody has given a name prints as.
UNKNOWN_SYSCALL = b"<unknown syscall>"


@cache
def syscall_names(*, classic: bool) -> tuple[bytes, ...]:
    """The name of every system-call code, by the code."""
    names = []
    for call in syscall_table().syscalls:
        name = call.name or "<unknown>"
        if classic:
            name = _CLASSIC_SYSCALLS.get(name, call.old_name or name)
        names.append(name.encode())
    return tuple(names)


def flag_names(value: int, table: str, dialect: Dialect) -> bytes:
    """The names of the flags set in ``value``, joined by ``|``.

    An entry of the table counts when all its bits are still there; it then takes them away. The entry that equals the
    whole value ends the walk.
    """
    found = []
    rest = value
    for bits, name in event_table().flags_tables[table]:
        exact = bits == value
        # The old code compares before it takes bits away, the new one after.
        if (exact and dialect.first_alias) or (bits and rest & bits == bits) or (exact and not value):
            found.append(name.partition("|")[0] if dialect.first_alias else name)
            rest &= ~bits
            if exact:
                break
    return "|".join(found).encode()


def enum_name(value: int, table: str) -> bytes:
    """The name of the entry that equals ``value``, empty where there is none."""
    return next((name.encode() for bits, name in event_table().flags_tables[table] if bits == value), b"")
