"""Drives wavelink 3 (Lavalink v4)."""

import wavelink

from life import BAND, GAIN, INPUT, SEEK_MS, VOLUME, StubDiscord, expect, run


class Life:
    """One bot's life; see life.py."""

    async def connect(self):
        self.discord = StubDiscord()
        self.events = self.discord.events
        self.connected = self.events.next("wavelink_node_ready")
        uri = f"http://{INPUT.host}:{INPUT.port}"
        self.node = wavelink.Node(identifier="node", uri=uri, password=INPUT.password, inactive_channel_tokens=None)
        await wavelink.Pool.connect(nodes=[self.node], client=self.discord)

    async def ready(self):
        (payload,) = await self.connected
        expect("resumed", payload.resumed, False)

    async def load(self):
        (self.track,) = await wavelink.Playable.search(INPUT.identifier, source=None)

    async def create(self):
        self.player = wavelink.Player(self.discord, self.discord.channel)
        self.discord.player = self.player
        await self.player.connect(timeout=10, reconnect=False)
        expect("voice token", (await self._fetched()).voice_state.token, INPUT.voice.token)

    async def _fetched(self):
        return await self.node.fetch_player_info(INPUT.guild)

    async def play(self):
        started = self.events.next("wavelink_track_start")
        await self.player.play(self.track)
        await started

    async def position(self):
        await self.events.next("wavelink_player_update", lambda payload: payload.connected and payload.position > 0)

    async def pause(self):
        for paused in (True, False):
            await self.player.pause(paused)
            expect("paused", (await self._fetched()).paused, paused)

    async def seek(self):
        moved = self.events.next("wavelink_player_update", lambda payload: payload.position >= SEEK_MS)
        await self.player.seek(SEEK_MS)
        await moved

    async def volume(self):
        await self.player.set_volume(VOLUME)
        expect("volume", (await self._fetched()).volume, VOLUME)

    async def filter(self):
        filters = wavelink.Filters()
        filters.equalizer.set(bands=[{"band": BAND, "gain": GAIN}])
        await self.player.set_filters(filters)
        kept = (await self._fetched()).filters.equalizer.payload
        expect("gain", round(kept[BAND]["gain"], 3), GAIN)

    async def stop(self):
        ended = self.events.next("wavelink_track_end")
        await self.player.stop()
        (payload,) = await ended
        expect("reason", payload.reason, "stopped")

    async def destroy(self):
        await self.player.disconnect()
        expect("players", await self.node.fetch_players(), [])

    async def disconnect(self):
        closed = self.events.next("wavelink_node_closed")
        await wavelink.Pool.close()
        await closed


run(Life())
