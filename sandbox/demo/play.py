"""The play as a command: find the stage, play each step, draw the picture."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console
from rich.text import Text
from websockets.exceptions import WebSocketException

from sandbox.demo.errors import NoStageError, StoryError
from sandbox.demo.people import Person
from sandbox.demo.picture import drawn
from sandbox.demo.screen import Screen
from sandbox.demo.stage import Stage, find_stage
from sandbox.demo.story import ACTS, Step, Story
from sandbox.demo.stripe_side import StripeSide

STEP_S_MAX: Final = 20.0
PAUSE_S: Final = 2.0
COMMAND: Final = "jobsphere demo"


def play(given: Mapping[str, str], *, svg: Path | None = None, slow: bool = False) -> int:
    """Play it on the terminal. Answers the exit status: 1 when it goes wrong, 2 when there is no stage."""
    screen = Screen(Console())
    try:
        stage = find_stage(Path(given.get("DATA_DIR", ".data")).resolve())
        asyncio.run(_play(stage, screen, pause_s=PAUSE_S if slow else 0))
    except NoStageError as error:
        return _failed(str(error), status=2)
    except StoryError as error:
        return _failed(str(error), status=1)
    return 0 if svg is None else _draw(screen, svg)


def _draw(screen: Screen, svg: Path) -> int:
    try:
        svg.write_text(drawn(screen.picture, title=COMMAND))
    except OSError as error:
        return _failed(f"{svg} could not be written: {error}", status=1)
    return 0


def show_steps() -> None:
    """What would be played."""
    screen = Screen(Console())
    for act, steps in ACTS.items():
        screen.act(act)
        for step in steps:
            screen.begins(step.title)


async def _play(stage: Stage, screen: Screen, *, pause_s: float) -> None:
    try:
        async with (
            httpx.AsyncClient(timeout=STEP_S_MAX, trust_env=False) as http,
            AsyncExitStack() as watching,
        ):
            edith = Person("Edith", stage, http)
            await edith.sign_in(**stage.admin)
            story = Story(
                ada=Person("Ada", stage, http),
                grace=Person("Grace", stage, http),
                edith=edith,
                stripe=StripeSide(stage, http),
                screen=screen,
                watching=watching,
            )
            await _tell(story, screen, pause_s=pause_s)
    except (httpx.TransportError, WebSocketException, OSError) as error:
        raise NoStageError(
            f"Nothing answers at {stage.graphql} or {stage.stripe}: is `make run` still up? ({error})"
        ) from error


async def _tell(story: Story, screen: Screen, *, pause_s: float) -> None:
    begun = time.monotonic()
    screen.opens()
    for act, steps in ACTS.items():
        screen.act(act)
        for step in steps:
            screen.begins(step.title)
            await _take(step, story, screen)
            await asyncio.sleep(pause_s)
    seconds = f"in {time.monotonic() - begun:.1f} s"
    screen.closes(await story.sum(), Text(seconds, style="dim"))


async def _take(step: Step, story: Story, screen: Screen) -> None:
    try:
        async with asyncio.timeout(STEP_S_MAX):
            last = await step.play(story)
            screen.ends(last, await story.balances())
    except TimeoutError:
        raise StoryError(
            f"Not done after {STEP_S_MAX:.0f} s: {step.title}.\nThe logs are in DATA_DIR, under logs."
        ) from None


def _failed(why: str, *, status: int) -> int:
    Console(stderr=True).print(why, markup=False, highlight=False, soft_wrap=True)
    return status
