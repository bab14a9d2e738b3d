// Drives lavalink-client 2 (Lavalink v4).
import { LavalinkManager } from 'lavalink-client';

import { BAND, GAIN, SEEK_MS, VOLUME, discord, expect, input, next, run } from './life.mjs';

const manager = new LavalinkManager({
  nodes: [{ id: 'node', host: input.host, port: input.port, authorization: input.password, secure: false }],
  sendToShard: (_guild, payload) => discord(payload, (packet) => manager.sendRawData(packet)),
  client: { id: input.userId, username: 'DriverBot' },
  autoSkip: false,
  playerOptions: { volumeDecrementer: 1, clientBasedPositionUpdateInterval: 0 },
});
manager.nodeManager.on('error', (_node, error) => console.error(error));

let connected, node, track, player;
const fetched = () => node.fetchPlayer(input.guildId);

await run({
  async connect() {
    connected = next(manager.nodeManager, 'connect');
    await manager.init({ id: input.userId, username: 'DriverBot' });
  },
  async ready() {
    await connected;
    node = manager.nodeManager.nodes.get('node');
    while (!node.sessionId || !node.info) await new Promise((resolve) => setTimeout(resolve, 5));
    await node.updateSession(true, 30_000);
  },
  async load() {
    const result = await node.search({ query: input.identifier, source: 'link' }, { id: '1' });
    expect('load type', result.loadType, 'track');
    [track] = result.tracks;
  },
  async create() {
    const updated = next(manager, 'playerUpdate', (_old, { connected: isConnected }) => isConnected);
    player = manager.createPlayer({ guildId: input.guildId, voiceChannelId: input.voice.channelId });
    await player.connect();
    await updated;
    expect('voice token', (await fetched()).voice.token, input.voice.token);
  },
  async play() {
    const started = next(manager, 'trackStart');
    await player.play({ clientTrack: track });
    await started;
  },
  async position() {
    await next(manager, 'playerUpdate', (_old, { lastPosition }) => lastPosition > 0);
  },
  async pause() {
    await player.pause();
    expect('paused', (await fetched()).paused, true);
    await player.resume();
    expect('paused', (await fetched()).paused, false);
  },
  async seek() {
    const moved = next(manager, 'playerUpdate', (_old, { lastPosition }) => lastPosition >= SEEK_MS);
    await player.seek(SEEK_MS);
    await moved;
  },
  async volume() {
    await player.setVolume(VOLUME);
    expect('volume', (await fetched()).volume, VOLUME);
  },
  async filter() {
    await player.filterManager.setEQ([{ band: BAND, gain: GAIN }]);
    const { gain } = (await fetched()).filters.equalizer.find(({ band }) => band === BAND);
    expect('gain', Number(gain.toFixed(3)), GAIN);
  },
  async stop() {
    const ended = next(manager, 'queueEnd');
    await player.stopPlaying();
    const [, , { reason }] = await ended;
    expect('reason', reason, 'stopped');
  },
  async destroy() {
    await player.destroy('done', true);
    expect('players', await node.fetchAllPlayers(), []);
  },
  async disconnect() {
    const closed = next(manager.nodeManager, 'disconnect');
    node.disconnect('done');
    await closed;
  },
});
