"""What is installed for a schedule: a crontab's lines, and systemd's service and timer. Pure.

No token is in any of it. cron gives a line's `%` a meaning of its own, systemd one to `%` and `$`: both are escaped.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from batchgen import errors
from batchgen.cli.exit_codes import GOES_ON, ExitCode
from batchgen.cli.schedule_times import Times
from batchgen.runcomfy.token import CREDENTIAL

MAX_COMMAND = 998
"""cron refuses a longer command (MAX_COMMAND of cron.h, less its end)."""

STOP_S = 90
"""Longer than `--grace` and what is on the wire after it: systemd kills what is not over by then."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NOT_IN_UNIT_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Call:
    """A command line of absolute paths; `environ` are variables it needs, none of them secret."""

    program: tuple[str, ...]
    arguments: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def words(self) -> tuple[str, ...]:
        """Return program and arguments."""
        return (*self.program, *self.arguments)


@dataclass(frozen=True, slots=True)
class Service:
    """What the units say: `folder` is where it runs, `writable` what it may write, `token` the file with the token."""

    name: str
    does: str
    call: Call
    user: str
    folder: Path
    writable: tuple[Path, ...]
    token: Path


@dataclass(frozen=True, slots=True)
class Planned:
    """A schedule: when, what, of which manifest into which run directory; `is_limited` tells whether its cost is."""

    name: str
    times: Times
    call: Call
    manifest: Path
    run_dir: Path
    is_fetch: bool
    is_limited: bool
    log_file: Path | None


def crontab_line(times: str, call: Call) -> str:
    """Return one line of a crontab. Raises UsageError for what cron cannot be given."""
    words = [*(f"{name}={shlex.quote(value)}" for name, value in call.environ.items()), shlex.join(call.words())]
    command = " ".join(words)
    _refuse_controls([command])
    if "\\%" in command:
        raise errors.UsageError(f"cron cannot be given a backslash before a percent sign: {errors.printable(command)}")
    line = command.replace("%", "\\%")
    if len(line.encode()) > MAX_COMMAND:
        raise errors.UsageError(
            f"cron takes no command longer than {MAX_COMMAND} bytes; put options into the manifest, or use --systemd"
        )
    return f"{times}  {line}"


def unit_name(name: str, *, fetch: bool) -> str:
    """Return what the units are called, without their suffix."""
    return f"batchgen-{_NOT_IN_UNIT_NAMES.sub('-', name).strip('-.') or 'run'}{'-fetch' if fetch else ''}"


def timer_text(service: Service, words: str, calendar: str) -> str:
    """Return the timer."""
    return f"""\
[Unit]
Description={_specified(service.does)}, {words}

[Timer]
OnCalendar={calendar}
# What was missed while the machine was off is made up for.
Persistent=true

[Install]
WantedBy=timers.target
"""


def service_text(service: Service) -> str:
    """Return the service, which may write its pictures and little else. Raises UsageError as `crontab_line` does."""
    call = service.call
    _refuse_controls([*call.words(), *call.environ.values(), service.does, *map(str, service.writable)])
    whole = [str(service.folder), str(service.token)]
    _refuse_controls(whole)
    for path in (text for text in [call.program[0], *whole] if re.search(r"[\\$\"']", text)):
        raise errors.UsageError(f"systemd takes no such name; rename it: {errors.printable(path)}")
    environment = "".join(f"Environment={_quoted(f'{name}={value}')}\n" for name, value in call.environ.items())
    fine = " ".join(str(int(code)) for code in sorted({*GOES_ON, ExitCode.TERMINATED} - {ExitCode.OK}))
    return f"""\
[Unit]
Description={_specified(service.does)}
Wants=network-online.target
After=network-online.target
# To hear of failures by mail: OnFailure= with a service of yours that sends one.

[Service]
Type=oneshot
User={service.user}
WorkingDirectory={_specified(str(service.folder))}
{environment}\
# The token: systemd reads the file and hands it to this service alone. Encrypted instead (systemd-creds(1)):
#   systemd-creds encrypt --name={CREDENTIAL} FILE /etc/credstore.encrypted/{CREDENTIAL}
#   LoadCredentialEncrypted={CREDENTIAL}
LoadCredential={CREDENTIAL}:{_specified(str(service.token))}
# For a monitor, a line BATCHGEN_PING_URL=https://... in this file, which need not be there:
EnvironmentFile=-/etc/batchgen/{service.name}.env
ExecStart={" ".join([_quoted(call.program[0]), *(_argument(word) for word in call.words()[1:])])}
# A limit was reached, or systemd ended it: what is in flight is collected next time.
SuccessExitStatus={fine}
KillMode=mixed
TimeoutStopSec={STOP_S}

{_hardening(service.writable)}"""


def _hardening(writable: Iterable[Path]) -> str:
    return f"""\
ReadWritePaths={" ".join(_quoted(str(path)) for path in writable)}
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
NoNewPrivileges=yes
CapabilityBoundingSet=
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
"""


def _specified(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    escaped = _specified(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if re.search(r"[\s\"'\\;]", text) or not text else escaped


def _argument(text: str) -> str:
    return _quoted(text).replace("$", "$$")


def _refuse_controls(texts: Iterable[str]) -> None:
    for text in texts:
        if _CONTROL.search(text):
            raise errors.UsageError(f"no line break or control character can be scheduled: {errors.printable(text)}")
