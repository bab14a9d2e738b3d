"""What every Python driver shares: the order of the steps, their deadlines, and a stand-in for Discord.

Nothing here talks to Lavalink: that is the library's work. See ../README.md for the contract.
"""

import asyncio
import json
import logging
import sys
import traceback
from types import SimpleNamespace

STEPS = (
    "connect", "ready", "load", "create", "play", "position", "pause", "seek", "volume", "filter", "stop", "destroy",
    "disconnect",
)
# A life in which the test cuts the connection after `play`.
RESUMING_STEPS = ("connect", "ready", "play", "resumed", "volume", "disconnect")
STEP_WITHIN_S = 15

SEEK_MS = 20_000
VOLUME = 40
BAND = 0
GAIN = 0.2

INPUT = SimpleNamespace(**json.loads(sys.argv[1])) if len(sys.argv) > 1 else None
if INPUT:
    INPUT.voice = SimpleNamespace(**INPUT.voice)
    INPUT.guild = int(INPUT.guildId)
    INPUT.user = int(INPUT.userId)

logging.basicConfig(level=logging.WARNING, stream=sys.stderr)


def run(life, steps=STEPS):
    """Runs the coroutine method of `life` for each of `steps` in order and ends the process: 0 when all have happened."""
    async def every_step():
        for step in steps:
            try:
                details = await asyncio.wait_for(getattr(life, step)(), STEP_WITHIN_S)
            except BaseException:  # noqa: BLE001 - whatever it is, it fails the step
                print(f"step {step} failed:", file=sys.stderr)
                traceback.print_exc()
                return 1
            print(json.dumps({"step": step, **(details or {})}), flush=True)
        return 0

    sys.exit(asyncio.run(every_step()))


def expect(what, actual, expected):
    """Fails a step whose result is not what the step is about."""
    if actual != expected:
        raise AssertionError(f"{what} is {actual!r}, not {expected!r}")


class Events:
    """The library's events, for steps that wait for one."""

    def __init__(self):
        self._waiting = []

    def next(self, name, test=lambda *_: True):
        """A future of the arguments of the next event of that name that passes `test`. Ask before causing it."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((name, test, future))
        return future

    def dispatch(self, name, *args, **kwargs):
        """Tells the waiting steps of an event."""
        for entry in list(self._waiting):
            wanted, test, future = entry
            if wanted == name and not future.done() and test(*args, *kwargs.values()):
                self._waiting.remove(entry)
                future.set_result(args + tuple(kwargs.values()))


def voice_packets():
    """The two packets that Discord's gateway sends when a bot has joined a voice channel."""
    state = {
        "guild_id": INPUT.guildId,
        "channel_id": INPUT.voice.channelId,
        "user_id": INPUT.userId,
        "session_id": INPUT.voice.sessionId,
        "deaf": False,
        "mute": False,
        "self_deaf": False,
        "self_mute": False,
        "self_video": False,
        "suppress": False,
        "request_to_speak_timestamp": None,
    }
    server = {"guild_id": INPUT.guildId, "token": INPUT.voice.token, "endpoint": INPUT.voice.endpoint}
    return {"op": 0, "t": "VOICE_STATE_UPDATE", "d": state}, {"op": 0, "t": "VOICE_SERVER_UPDATE", "d": server}


class StubDiscord:
    """As much of a discord.py client as wavelink touches: one user, one guild, one voice channel, event dispatch."""

    def __init__(self):
        self.events = Events()
        self.user = SimpleNamespace(id=INPUT.user)
        self.guild = SimpleNamespace(
            id=INPUT.guild, change_voice_state=self._change_voice_state, get_channel=self.get_channel
        )
        self.channel = SimpleNamespace(
            id=int(INPUT.voice.channelId), guild=self.guild, _get_voice_client_key=lambda: (INPUT.guild, "guild_id")
        )
        self._connection = SimpleNamespace(_remove_voice_client=lambda _key: None)
        self.player = None

    def dispatch(self, event, *args, **kwargs):
        """Called by the library with each of its events."""
        self.events.dispatch(event, *args, **kwargs)

    def get_channel(self, _channel):
        """The one channel."""
        return self.channel

    def get_guild(self, _guild):
        """The one guild."""
        return self.guild

    async def _change_voice_state(self, *, channel, **_kwargs):
        """What discord.py sends as op 4; Discord answers a moment later, and a request to leave not at all."""
        if channel is not None:
            asyncio.get_running_loop().create_task(self._answer())

    async def _answer(self):
        state, server = voice_packets()
        await self.player.on_voice_state_update(state["d"])
        await self.player.on_voice_server_update(server["d"])
