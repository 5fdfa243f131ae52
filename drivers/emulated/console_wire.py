"""An emulated service console on a serial line: a prompt, an echo, perhaps a login, and commands of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random

from drivers.emulated.pty_line import PtyLine

Command = Callable[[Sequence[str]], Sequence[str]]
"""Takes the words after the command's name, returns the lines of the answer; ValueError refuses."""


class ConsoleWire:
    """A console whose commands are functions of the model.

    A command that is not known, or refuses, is answered by `ERROR` and why; `help` lists them all.

    Args:
        link: the stable path of its serial port.
        commands: by name; `CHECK` answers what `commands["check"]` returns.
        rng: chooses which bytes to garble.
        prompt: printed when it is ready.
        echo: it prints each line that it gets, except a password.
        username: if given, it asks for a login first, and again after `logout`.
        password: of that login.

    Attributes:
        line: the serial line; what can go wrong on cables is there.
        typed: every command line that it got, for tests to look at.
    """

    def __init__(
        self,
        link: Path,
        commands: Mapping[str, Command],
        rng: Random,
        *,
        prompt: str = "meter> ",
        echo: bool = True,
        username: str | None = None,
        password: str = "",
    ) -> None:
        self._commands, self._prompt, self._echo = dict(commands), prompt, echo
        self._username, self._password = username, password
        self._state = "ready" if username is None else "login"
        self._given_name = ""
        self.line = PtyLine(link, self._hear, rng)
        self.typed: list[str] = []

    def start(self) -> None:
        """Plug the line in."""
        self.line.plug()

    def stop(self) -> None:
        """Free everything; may be called twice."""
        self.line.close()

    def say(self, text: str) -> None:
        """Print a line that nobody asked for, and the prompt again."""
        if self._state == "ready":
            self._print(f"\r\n{text}")
            self.line.send(self._prompt.encode())

    def _print(self, text: str) -> None:
        self.line.send(f"{text}\r\n".encode())

    def _hear(self, text: str) -> None:
        if self._state == "password":
            self._print("")
            self._check_login(text)
            return
        self._print(text if self._echo else "")
        if self._state == "login":
            self._given_name = text
            self._state = "password" if text else "login"
        elif text:
            self._carry_out(text)
        self._ask()

    def _check_login(self, password: str) -> None:
        good = (self._given_name, password) == (self._username, self._password)
        self._state = "ready" if good else "login"
        if not good:
            self._print("Login incorrect")
        self._ask()

    def _ask(self) -> None:
        asks = {"ready": self._prompt, "login": "login: ", "password": "Password: "}
        self.line.send(asks[self._state].encode())

    def _carry_out(self, text: str) -> None:
        self.typed.append(text)
        name, *words = text.split()
        if name == "logout" and self._username is not None:
            self._state = "login"
            return
        for line in self._answer(name, words):
            self._print(line)

    def _answer(self, name: str, words: Sequence[str]) -> Sequence[str]:
        if name == "help":
            return sorted(self._commands)
        command = self._commands.get(name)
        if command is None:
            return [f"ERROR unknown command {name}"]
        try:
            return command(words)
        except ValueError as error:
            return [f"ERROR {error}"]
