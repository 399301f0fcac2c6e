"""What the audience sees: who does what, each state as it comes, and who holds what after each step."""

import io
import time
from dataclasses import astuple, dataclass
from typing import Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

WIDTH_MAX: Final = 100
WIDTHS: Final = (10, 11, 11, 10, 11)
"""Of the columns of Balances."""
PEOPLE: Final = {"Ada": "bold cyan", "Grace": "bold magenta", "Edith": "bold yellow", "Stripe": "bold blue"}
GOOD: Final = frozenset(
    {"SUCCEEDED", "FUNDED", "ACCEPTED", "PARTIALLY_RELEASED", "RELEASED", "ACTIVE", "PAID", "SOUND"}
)
BAD: Final = frozenset({"FAILED", "INSUFFICIENT_FUNDS"})


@dataclass(frozen=True)
class Balances:
    """In minor units."""

    ada_available: int = 0
    ada_in_escrow: int = 0
    grace_available: int = 0
    grace_held: int = 0
    fees: int = 0


class Screen:
    """A terminal, and beside it a picture of fixed width that is drawn of the same."""

    def __init__(self, terminal: Console) -> None:
        self._terminal = terminal
        self.picture = Console(record=True, width=WIDTH_MAX, file=io.StringIO())
        self._before = Balances()
        self._step = 0
        self._since = 0.0

    def opens(self) -> None:
        names = ("Ada", "", "Grace", "", "platform")
        columns = ("available", "in escrow", "available", "held", "earned")
        title = Text("The life of a job's money", style="bold")
        self._print(Text())
        self._print(_Row(title, [Text(name, style=PEOPLE.get(name, "bold")) for name in names]))
        self._print(_Row(Text(), [Text(column, style="dim") for column in columns]))

    def act(self, title: str) -> None:
        self._print(Rule(Text(title, style="dim"), style="dim", align="left"))

    def begins(self, title: str) -> None:
        """A step: its number, and who does what."""
        self._step += 1
        self._since = time.monotonic()
        self._print(Text.assemble((f"{self._step:2} ", "dim"), told(title)))

    def show(self, line: Text) -> None:
        """One of a step's lines, but for its last."""
        self._print(line)

    def ends(self, last: Text, balances: Balances) -> None:
        """The step's last line, and beside it who holds what; what changed stands out."""
        pairs = zip(astuple(balances), astuple(self._before), strict=True)
        self._print(_Row(last, [_amount(now, before) for now, before in pairs]))
        self._before = balances

    def state(self, status: str, by: str = "") -> Text:
        """A line: what something came to, when, counted from the beginning of the step, and by whom."""
        colour = "green" if status in GOOD else "red" if status in BAD else "yellow"
        when = f" {time.monotonic() - self._since:5.2f} s"
        return Text.assemble("   ", (f"{status:<18}", colour), (f"{when}  by {by}" if by else when, "dim"))

    def blocker(self, code: str, message: str) -> Text:
        """A line: what stands in the way."""
        return Text.assemble("   ", (code, "yellow"), (f"  {message}", "dim"))

    def remark(self, text: str) -> Text:
        """A line: what is said meanwhile, or what it means."""
        return Text(f"   {text}", style="dim italic")

    def closes(self, *lines: Text) -> None:
        self._print(Panel(Group(*lines), border_style="green", padding=(0, 1)))

    def _print(self, what: RenderableType) -> None:
        self._terminal.print(what, width=min(self._terminal.width, WIDTH_MAX))
        self.picture.print(what)


def dollars(amount: int) -> str:
    return f"${amount // 100:,}.{amount % 100:02}"


def told(sentence: str) -> Text:
    """With people's names in their colours."""
    text = Text(sentence)
    for name, style in PEOPLE.items():
        text.highlight_words([name], style)
    return text


def _amount(now: int, before: int) -> Text:
    if now != before:
        return Text(dollars(now), style="bold")
    return Text(dollars(now) if now else "–", style="dim")


class _Row:
    """A line, and amounts in their columns beside it; below it where there is no room."""

    def __init__(self, left: Text, amounts: list[Text]) -> None:
        self._left = left
        self._amounts = amounts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        left = self._left
        if left.cell_len > options.max_width - sum(WIDTHS):
            yield left
            left = Text()
        row = Table.grid(expand=True)
        row.add_column(ratio=1, no_wrap=True)
        for width in WIDTHS:
            row.add_column(width=width, justify="right", no_wrap=True)
        row.add_row(left, *self._amounts)
        yield row
