"""Why our fields differ from a peer's where they do, by peer and field."""

from __future__ import annotations

_UNSET = "memory nobody initialised, for all that is not opened in the capture"
_NEWER_LISTS = "another field of process lists that libs 0.10 and later write"


def _by_field(table: dict[str, str]) -> dict[str, str]:
    """From reason and fields to field and reason."""
    return {field: reason for reason, fields in table.items() for field in fields.split()}


#: sysdig 0.29.3 is wrong, or prints what happens to be in its memory.
SYSDIG_REASONS = _by_field(
    {
        _UNSET: "fd.dev fd.dev.major fd.dev.minor",
        "prints nothing for listening sockets": "fd.sproto",
        "counts a descriptor twice when another took its place while it was being closed": "proc.fdopencount",
        f"0 for children of threads nobody announced, and {_NEWER_LISTS}": "user.loginuid user.loginname",
        f"memory nobody initialised, or {_NEWER_LISTS}": "proc.is_exe_writable",
        "does not read the terminals newer process lists have": "proc.tty",
        "takes the reading before from another field's copy": "thread.cpu.user",
        "drops unprintable bytes, which is done when a line is printed": "fd.containername",
        "evaluated once more by sysdig": "thread.exectime",
        "ends buffers at their first NUL": "evt.rawarg.args evt.rawarg.cgroups evt.rawarg.data evt.rawarg.env",
        "does not count, nor count from, events it does not know": """
            evt.num evt.reltime evt.reltime.s evt.reltime.ns evt.deltatime evt.deltatime.s evt.deltatime.ns""",
    }
)

_NO_ENTERS = "keeps no enter events, and so no time since one"
_OPTIONS = "does not see which socket options are about, or that a call that failed is about none"
_RAW = "reads an empty parameter as 0, and prints no errors raw"
_STRANGERS = "knows nothing of threads nobody announced, where sysdig takes them for processes"
#: The newest libraries: what they left out, and what only their way of replaying explains.
NEWEST_REASONS = _by_field(
    {
        "asks the machine that reads, not the one that wrote": "evt.hostname",
        _NO_ENTERS: "evt.wait_latency evt.latency evt.latency.s evt.latency.ns evt.latency.human",
        "counts from the first event behind those that only tell state, and from 0 before it": """
            evt.reltime evt.reltime.s evt.reltime.ns""",
        "counts from enter events too, which it then does not show": "evt.deltatime evt.deltatime.s evt.deltatime.ns",
        "without its argument means the process itself when it is printed": "proc.aenv proc.apid",
        "prints how many descriptors are open where the start of the parent is not known": "proc.ppid.duration",
        "prints a number that is no time where one of the two is not known": "proc.exe_ino.ctime_duration_pidns_start",
        "does not measure run times any more": "thread.exectime thread.totexectime",
        "mixes the readings of several fields": "thread.cpu thread.cpu.user thread.cpu.system",
        "keeps the empty items behind the environment": "proc.env",
        "in the order of its own hash table": "fd.types",
        "counts none of processes nobody announced": "proc.fdopencount",
        "has no name where nothing is known, we no value": "fd.nameraw fd.containerdirectory",
        f"has no name for a connection that failed, and {_OPTIONS}": "fd.name fd.containername",
        "prints what happens to be in memory where a buffer is empty": "evt.buffer",
        "counts threads anew once a process ends": "proc.nchilds",
        "cuts what is listed as deleted": "proc.exepath proc.aexepath[0]",
        "counts no thread that has ended, and none of processes nobody announced": "proc.nthreads",
        _STRANGERS: """
            proc.acmdline[0] proc.aexe[0] proc.aname[0] proc.apid[0] proc.cwd proc.fdlimit proc.is_pgid_leader
            proc.is_sid_leader proc.is_vpgid_leader proc.pid thread.ismain proc.ppid proc.pname""",
        _OPTIONS: """
            fd.connected fd.dev fd.dev.major fd.dev.minor fd.directory fd.filename fd.ino fd.is_lower_layer fd.is_server
            fd.is_upper_layer fd.l4proto fd.name_changed fd.num fd.sockfamily fd.type fd.typechar fd.uid fd.cip
            fd.cport fd.cproto fd.lip fd.lport fd.lproto fd.rip fd.rport fd.rproto fd.sip fd.sport fd.sproto""",
        _RAW: """
            evt.rawarg.data evt.rawarg.res evt.rawarg.addr evt.rawarg.ino evt.rawarg.val evt.rawarg.dev
            evt.rawarg.nativeID
            evt.rawarg.pidns_init_start_ts evt.rawarg.cap_effective evt.rawarg.cap_inheritable evt.rawarg.cap_permitted
            evt.rawarg.exe_ino evt.rawarg.exe_ino_ctime evt.rawarg.exe_ino_mtime evt.rawarg.flags evt.rawarg.gid
            evt.rawarg.pgid evt.rawarg.trusted_exepath evt.rawarg.uid evt.rawarg.filename evt.rawarg.loginuid
            evt.rawarg.tty evt.rawarg.vpgid evt.rawarg.args evt.rawarg.env evt.arg.pgid""",
    }
)
