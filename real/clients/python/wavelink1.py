"""Drives wavelink 1 (Lavalink v3, ops only). Ops have no answers; see ../README.md on what confirms them."""

import asyncio

import wavelink

from life import BAND, GAIN, INPUT, SEEK_MS, VOLUME, StubDiscord, expect, run


class Life:
    """One bot's life; see life.py."""

    async def connect(self):
        self.discord = StubDiscord()
        self.events = self.discord.events
        connected = self.events.next("wavelink_node_ready")
        self.node = await wavelink.NodePool.create_node(
            bot=self.discord,
            host=INPUT.host,
            port=INPUT.port,
            password=INPUT.password,
            identifier="node",
            resume_key=f"driver-{INPUT.voice.sessionId}",
        )
        await connected

    async def ready(self):
        await self._until(lambda: self.node.stats is not None)

    async def load(self):
        (self.track,) = await self.node.get_tracks(wavelink.Track, INPUT.identifier)

    async def create(self):
        self.player = wavelink.Player(self.discord, self.discord.channel)
        self.discord.player = self.player
        await self.player.connect(timeout=10, reconnect=False)
        await self._until(lambda: {"sessionId", "event"} == self.player._voice_state.keys())

    async def play(self):
        started = self.events.next("wavelink_track_start")
        await self.player.play(self.track)
        await started

    async def position(self):
        await self._until(lambda: self.player.last_position and self.player.last_position > 0)

    async def pause(self):
        await self.player.pause()
        expect("paused", self.player.is_paused(), True)
        await self.player.resume()
        expect("paused", self.player.is_paused(), False)

    async def seek(self):
        await self.player.seek(SEEK_MS)
        await self._until(lambda: self.player.last_position >= SEEK_MS / 1000)

    async def volume(self):
        await self.player.set_volume(VOLUME)
        expect("volume", self.player.volume, VOLUME)

    async def filter(self):
        equalizer = wavelink.filters.Equalizer(name="driver", bands=[(BAND, GAIN)])
        await self.player.set_filter(wavelink.Filter(equalizer=equalizer))
        before = self.player.last_update
        await self._until(lambda: self.player.last_update > before)

    async def stop(self):
        ended = self.events.next("wavelink_track_end")
        await self.player.stop()
        _player, _track, reason = await ended
        expect("reason", reason, "STOPPED")

    async def destroy(self):
        await self.player.disconnect(force=True)
        expect("players", self.node.players, [])

    async def disconnect(self):
        await self.node.disconnect()
        expect("closed", self.node._websocket.session.closed, True)

    @staticmethod
    async def _until(condition):
        """The library has no event for player updates and stats, but it keeps what they say."""
        while not condition():
            await asyncio.sleep(0.005)


run(Life())
