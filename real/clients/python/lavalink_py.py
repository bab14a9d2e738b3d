"""Drives lavalink.py 5 (Lavalink v4)."""

import lavalink

from life import BAND, GAIN, INPUT, SEEK_MS, VOLUME, Events, expect, run, voice_packets


class Life:
    """One bot's life; see life.py."""

    async def connect(self):
        self.events = Events()
        self.client = lavalink.Client(INPUT.user)
        self.client.add_event_hook(self._dispatch)
        self.connected = self.events.next("NodeReadyEvent")
        self.node = self.client.add_node(INPUT.host, INPUT.port, INPUT.password, "eu", "node")

    async def _dispatch(self, event):
        self.events.dispatch(type(event).__name__, event)

    async def ready(self):
        (event,) = await self.connected
        expect("resumed", event.resumed, False)
        await self.node.update_session(resuming=True, timeout=30)

    async def load(self):
        result = await self.client.get_tracks(INPUT.identifier)
        expect("load type", result.load_type, lavalink.LoadType.TRACK)
        self.track = result.tracks[0]

    async def create(self):
        self.player = self.client.player_manager.create(INPUT.guild)
        for packet in voice_packets():
            await self.client.voice_update_handler(packet)
        expect("voice token", (await self._fetched())["voice"]["token"], INPUT.voice.token)

    async def _fetched(self):
        return await self.node.get_player(INPUT.guild)

    async def play(self):
        started = self.events.next("TrackStartEvent")
        await self.player.play(self.track)
        await started

    async def position(self):
        await self.events.next("PlayerUpdateEvent", lambda event: event.connected and (event.position or 0) > 0)

    async def pause(self):
        for paused in (True, False):
            await self.player.set_pause(paused)
            expect("paused", (await self._fetched())["paused"], paused)

    async def seek(self):
        moved = self.events.next("PlayerUpdateEvent", lambda event: (event.position or 0) >= SEEK_MS)
        await self.player.seek(SEEK_MS)
        await moved

    async def volume(self):
        await self.player.set_volume(VOLUME)
        expect("volume", (await self._fetched())["volume"], VOLUME)

    async def filter(self):
        equalizer = lavalink.Equalizer()
        equalizer.update(bands=[(BAND, GAIN)])
        await self.player.set_filter(equalizer)
        gains = {band["band"]: round(band["gain"], 3) for band in (await self._fetched())["filters"]["equalizer"]}
        expect("gain", gains[BAND], GAIN)

    async def stop(self):
        ended = self.events.next("TrackEndEvent")
        await self.player.stop()
        (event,) = await ended
        expect("reason", event.reason, lavalink.EndReason.STOPPED)

    async def destroy(self):
        await self.player.destroy()
        expect("players", list(await self.node.get_players()), [])

    async def disconnect(self):
        await self.client.close()
        expect("available", self.node.available, False)


run(Life())
