// Drives shoukaku 4 (Lavalink v4).
import { Shoukaku } from 'shoukaku';

import { BAND, GAIN, SEEK_MS, VOLUME, expect, input, next, run } from './life.mjs';
import { StubConnector } from './shoukaku-connector.mjs';

const connector = new StubConnector({});
const options = { resume: true, resumeTimeout: 30, voiceConnectionTimeout: 10 };
const url = `${input.host}:${input.port}`;
let shoukaku, ready, node, track, player;

const fetched = async () => (await node.rest.getPlayer(input.guildId));

await run({
  async connect() {
    shoukaku = new Shoukaku(connector, [], options);
    shoukaku.on('error', (name, error) => console.error(name, error));
    ready = next(shoukaku, 'ready');
    connector.listen([{ name: 'node', url, auth: input.password }]);
  },
  async ready() {
    const [, resumed] = await ready;
    node = shoukaku.nodes.get('node');
    expect('resumed', resumed, false);
  },
  async load() {
    const result = await node.rest.resolve(input.identifier);
    expect('load type', result.loadType, 'track');
    track = result.data;
  },
  async create() {
    player = await shoukaku.joinVoiceChannel({ guildId: input.guildId, channelId: input.voice.channelId, shardId: 0 });
    expect('voice token', (await fetched()).voice.token, input.voice.token);
  },
  async play() {
    const started = next(player, 'start');
    await player.playTrack({ track: { encoded: track.encoded } });
    await started;
  },
  async position() {
    await next(player, 'update', ({ state }) => state.connected && state.position > 0);
  },
  async pause() {
    await player.setPaused(true);
    expect('paused', (await fetched()).paused, true);
    await player.setPaused(false);
    expect('paused', (await fetched()).paused, false);
  },
  async seek() {
    const moved = next(player, 'update', ({ state }) => state.position >= SEEK_MS);
    await player.seekTo(SEEK_MS);
    await moved;
  },
  async volume() {
    await player.setGlobalVolume(VOLUME);
    expect('volume', (await fetched()).volume, VOLUME);
  },
  async filter() {
    await player.setEqualizer([{ band: BAND, gain: GAIN }]);
    const [{ band, gain }] = (await fetched()).filters.equalizer;
    expect('equalizer', [band, Number(gain.toFixed(3))], [BAND, GAIN]);
  },
  async stop() {
    const ended = next(player, 'end');
    await player.stopTrack();
    const [{ reason }] = await ended;
    expect('reason', reason, 'stopped');
  },
  async destroy() {
    await shoukaku.leaveVoiceChannel(input.guildId);
    expect('players', await node.rest.getPlayers(), []);
  },
  async disconnect() {
    const closed = next(shoukaku, 'close');
    node.disconnect(1000, 'done');
    await closed;
  },
});
