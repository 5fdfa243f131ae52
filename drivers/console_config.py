"""How the rig file describes a service console: its line, its prompt, its login, its commands and what they answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal

from pydantic import Field, PlainSerializer, PlainValidator, field_validator, model_validator

from bench.device import DriverConfig
from bench.errors import UsageError
from bench.quantities import SecondsField

_MAX_PATTERN = 400
_RESOURCE = re.compile(r"/[^\s?]+|socket://[^/:\s]+:\d{1,5}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UNBOUNDED = re.compile(r"[*+]|\{\d*,\}")


def compile_pattern(text: object) -> re.Pattern[str]:
    """Compile a regular expression of the rig file, if no line can keep it busy for ever.

    Lines are short, so that only nested repeats are dangerous: a group that is repeated without bound may hold
    neither a repeat without bound nor alternatives. Possessive repeats and atomic groups are always allowed.

    Raises:
        ValueError: it is none, or it is dangerous; the sentence says where.
    """
    if isinstance(text, re.Pattern):
        return text
    if not isinstance(text, str) or not text or len(text) > _MAX_PATTERN:
        raise ValueError(f"a pattern is a regular expression of 1 to {_MAX_PATTERN} characters")
    try:
        pattern = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None
    fault = _nested_repeat(text)
    if fault is not None:
        raise ValueError(
            f"{text!r} repeats {fault!r}, which itself repeats or has alternatives: that could take for ever on a "
            "line that nearly matches; write it without the outer or the inner repeat, or make the inner one possessive"
        )
    return pattern


def _nested_repeat(text: str) -> str | None:
    """The first group that is repeated without bound and holds a repeat without bound or alternatives."""
    bare = re.sub(r"\\.", "__", text, flags=re.DOTALL)
    bare = re.sub(r"\[\^?\]?[^\]]*\]", lambda found: "_" * len(found[0]), bare)
    open_at: list[tuple[int, bool]] = []
    at = 0
    while at < len(bare):
        repeat = _UNBOUNDED.match(bare, at)
        if bare[at] == "(":
            open_at.append((at, False))
        elif bare[at] == "|" and open_at:
            open_at[-1] = (open_at[-1][0], True)
        elif repeat is not None:
            at = repeat.end() - 1
            possessive = bare[at + 1 : at + 2] == "+"
            if open_at and not possessive:
                open_at[-1] = (open_at[-1][0], True)
            at += possessive
        elif bare[at] == ")" and open_at:
            began, risky = open_at.pop()
            repeat = _UNBOUNDED.match(bare, at + 1)
            atomic = bare.startswith("(?>", began)
            if repeat is not None and risky and not atomic and bare[repeat.end() : repeat.end() + 1] != "+":
                return text[began : at + 1]
            if open_at and risky and not atomic:
                open_at[-1] = (open_at[-1][0], True)
        at += 1
    return None


Pattern = Annotated[
    re.Pattern[str],
    PlainValidator(compile_pattern),
    PlainSerializer(lambda pattern: pattern.pattern, return_type=str),
]


def _plain(text: str) -> str:
    if not text.isprintable() or len(text) > 200:
        raise ValueError(f"{text!r} is not something to send: at most 200 printable characters")
    return text


class CommandConfig(DriverConfig):
    """One command of a console.

    Attributes:
        send: what is typed, with `{NAME}` for each argument; `{{` stands for a brace.
        arguments: what each argument may be: name to a regular expression that it matches whole.
        reply: what is answered: each pattern matches one whole line, without the blanks around it, in any order;
            named groups are the parts of the answer. Other lines are ignored. Without patterns the prompt is enough.
        timeout: how long the answer may take, if not as long as the console's.
    """

    send: Annotated[str, Field(min_length=1)]
    arguments: Mapping[str, Pattern] = Field(default_factory=dict)
    reply: tuple[Pattern, ...] = ()
    timeout: Annotated[SecondsField, Field(gt=0, le=600)] | None = None

    @field_validator("send")
    @classmethod
    def _one_line(cls, value: str) -> str:
        return _plain(value)

    @model_validator(mode="after")
    def _consistent(self) -> CommandConfig:
        try:
            fields = [field for field in Formatter().parse(self.send) if field[1] is not None]
        except ValueError as error:
            raise ValueError(f"{self.send!r} has unbalanced braces ({error}): write {{{{ for a brace") from None
        for _, name, form, conversion in fields:
            if not _NAME.fullmatch(name or "") or form or conversion:
                raise ValueError(f"{self.send!r}: an argument is written {{NAME}}, and nothing more")
            if name not in self.arguments:
                raise ValueError(f"{self.send!r} has an argument {name!r} that `arguments` does not describe")
        used = {name for _, name, _, _ in fields}
        for name in self.arguments:
            if name not in used:
                raise ValueError(f"the argument {name!r} does not occur in {self.send!r}")
        groups = [name for pattern in self.reply for name in pattern.groupindex]
        for name in groups:
            if groups.count(name) > 1:
                raise ValueError(f"two patterns of the reply have a group named {name!r}")
        return self

    def render(self, given: Mapping[str, str]) -> str:
        """The line to type.

        Raises:
            UsageError: an argument is missing, unknown, or not as described.
        """
        for name in given:
            if name not in self.arguments:
                raise UsageError(f"it has no argument {name!r}", next_step=self._usage())
        for name, pattern in self.arguments.items():
            if name not in given:
                raise UsageError(f"the argument {name!r} is missing", next_step=self._usage())
            value = given[name]
            if not value.isprintable() or len(value) > 200 or not pattern.fullmatch(value):
                raise UsageError(f"{name} cannot be {value!r}: it is written {pattern.pattern}")
        return self.send.format_map(given)

    def _usage(self) -> str:
        return f"Its arguments are {', '.join(self.arguments)}" if self.arguments else "It takes none"


class LoginStep(DriverConfig):
    """One step of a login.

    Attributes:
        expect: found in what the console prints last, such as `login:`.
        send: what is typed then.
        password: type the password from `password_file` in place of `send`.
    """

    expect: Pattern
    send: str = ""
    password: bool = False

    @model_validator(mode="after")
    def _one_answer(self) -> LoginStep:
        _plain(self.send)
        if self.password and self.send:
            raise ValueError("a login step types either the password or `send`: give one of them")
        return self


class ConsoleConfig(DriverConfig):
    r"""A service console in the rig file.

    Attributes:
        resource: its serial port, such as /dev/serial/by-id/..., or socket://HOST:PORT of a raw serial server.
        baud: bits a second.
        parity: "N", "E" or "O".
        data_bits: 7 or 8.
        stop_bits: 1 or 2.
        line_ending: what is sent after each line: "CRLF", "CR" or "LF". Any of them ends a received line.
        prompt: printed, without a line end, whenever the console is ready for a command, such as `meter> `.
        echo: the console prints each command that it gets; what it answers is then never taken for the answer to
            another command, however late it comes.
        login: what has to be said before the prompt comes.
        password_file: a file whose first line is the password.
        commands: by name.
        refusals: lines with which the console refuses any command, such as `ERROR (?P<reason>.*)`.
        unsolicited: lines that come of themselves, by name; each is a `seen.console` event.
        probe: a command without arguments that is asked on connecting, to make sure that the right device answers.
        timeout: how long an answer, or a step of the login, may take.
        max_line: characters; a longer line is garbage.
    """

    resource: str
    baud: Annotated[int, Field(ge=300, le=4_000_000)] = 9600
    parity: Literal["N", "E", "O"] = "N"
    data_bits: Literal["7", "8"] = "8"
    stop_bits: Literal["1", "2"] = "1"
    line_ending: Literal["CRLF", "CR", "LF"] = "CRLF"
    prompt: Pattern
    echo: bool = False
    login: tuple[LoginStep, ...] = ()
    password_file: Path | None = None
    commands: Annotated[Mapping[str, CommandConfig], Field(min_length=1)]
    refusals: tuple[Pattern, ...] = ()
    unsolicited: Mapping[str, Pattern] = Field(default_factory=dict)
    probe: str | None = None
    timeout: Annotated[SecondsField, Field(gt=0, le=600)] = 2.0
    max_line: Annotated[int, Field(ge=16, le=1024)] = 256

    @field_validator("resource")
    @classmethod
    def _port_or_socket(cls, value: str) -> str:
        if not _RESOURCE.fullmatch(value):
            raise ValueError(f"{value!r} is no serial port: write /dev/serial/by-id/... or socket://HOST:PORT")
        return value

    @field_validator("prompt")
    @classmethod
    def _prompt_is_something(cls, value: re.Pattern[str]) -> re.Pattern[str]:
        if value.match(""):
            raise ValueError(f"the prompt {value.pattern!r} is found where nothing is printed")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> ConsoleConfig:
        if any(step.password for step in self.login) != (self.password_file is not None):
            raise ValueError("a login step with `password: yes` and `password_file` belong together")
        if self.probe is not None:
            command = self.commands.get(self.probe)
            if command is None or command.arguments:
                raise ValueError(f"the probe {self.probe!r} is not one of the commands without arguments")
        return self

    def password(self) -> str:
        """Read the password, or "" if none is needed.

        Raises:
            UsageError: the file cannot be read, or its first line is no password.
        """
        if self.password_file is None:
            return ""
        try:
            lines = self.password_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"the password cannot be read: {error}", where=str(self.password_file)) from None
        if not lines or not lines[0] or not lines[0].isprintable():
            raise UsageError("its first line is no password", where=str(self.password_file))
        return lines[0]
