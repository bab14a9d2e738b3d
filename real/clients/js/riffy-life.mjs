// Drives riffy 1, which speaks Lavalink v4 or the REST API of 3.7, as its option says.
//
// Riffy's methods do not wait for the node's answer, so a step waits for the library's own report of it ("apiResponse").
import { Riffy } from 'riffy';

import { BAND, GAIN, SEEK_MS, VOLUME, discord, expect, input, next, run } from './life.mjs';

export async function runRiffy(restVersion) {
  const riffy = new Riffy({}, [{ name: 'node', host: input.host, port: input.port, password: input.password }], {
    send: (payload) => discord(payload, (packet) => riffy.updateVoiceState(packet)),
    restVersion,
    resumeKey: restVersion === 'v3' ? `driver-${input.voice.sessionId}` : undefined,
    resumeTimeout: 30,
    bypassChecks: { nodeFetchInfo: false },
  });
  riffy.on('nodeError', (_node, error) => console.error(error));

  let configured, informed, node, track, player;
  const answered = (test) => next(riffy, 'apiResponse', test);
  const updated = () => answered((path, response) => path.includes('/players/') && response.status === 200);
  const fetched = async () => (await node.rest.getPlayers()).find(({ guildId }) => guildId === input.guildId);
  const moved = (test) => next(riffy, 'playerUpdate', (_player, { state }) => test(state));

  await run({
    async connect() {
      informed = answered((path) => path.endsWith('/info'));
      configured = answered((path) => /\/sessions\/[^/]+$/.test(path));
      riffy.init(input.userId);
    },
    async ready() {
      await Promise.all([informed, configured]);
      node = riffy.nodeMap.get('node');
    },
    async load() {
      const { loadType, tracks } = await riffy.resolve({ query: input.identifier, requester: '1' });
      expect('load type', loadType, restVersion === 'v3' ? 'TRACK_LOADED' : 'track');
      [track] = tracks;
    },
    async create() {
      const connected = Promise.all([updated(), moved((state) => state.connected)]);
      player = riffy.createConnection({ guildId: input.guildId, voiceChannel: input.voice.channelId, textChannel: '1' });
      await connected;
      expect('voice token', (await fetched()).voice.token, input.voice.token);
    },
    async play() {
      const started = Promise.all([updated(), next(riffy, 'trackStart')]);
      player.queue.add(track);
      await player.play();
      await started;
    },
    async position() {
      await moved(({ position }) => position > 0);
    },
    async pause() {
      for (const paused of [true, false]) {
        const done = updated();
        await player.pause(paused);
        await done;
        expect('paused', (await fetched()).paused, paused);
      }
    },
    async seek() {
      const done = Promise.all([updated(), moved(({ position }) => position >= SEEK_MS)]);
      player.seek(SEEK_MS);
      await done;
    },
    async volume() {
      const done = updated();
      player.setVolume(VOLUME);
      await done;
      expect('volume', (await fetched()).volume, VOLUME);
    },
    async filter() {
      const done = updated();
      player.filters.setEqualizer([{ band: BAND, gain: GAIN }]);
      await done;
      const { gain } = (await fetched()).filters.equalizer.find(({ band }) => band === BAND);
      expect('gain', Number(gain.toFixed(3)), GAIN);
    },
    async stop() {
      const done = Promise.all([updated(), next(riffy, 'queueEnd')]);
      player.stop();
      await done;
    },
    async destroy() {
      const done = answered((path, response) => path.includes('/players/') && response.status === 204);
      player.destroy();
      await done;
      expect('players', await node.rest.getPlayers(), []);
    },
    async disconnect() {
      const closed = next(node.ws, 'close');
      node.ws.close(1000, 'done');
      await closed;
    },
  });
}
