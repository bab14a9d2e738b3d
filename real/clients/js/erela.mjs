// Drives erela.js 2 (Lavalink v3, ops only).
//
// Ops have no answers: a step that no message confirms is confirmed by the library's state, and the next message of the
// node shows that the ones before it were read.
import { Manager } from 'erela.js';

import { BAND, GAIN, SEEK_MS, VOLUME, discord, expect, input, next, run } from './life.mjs';

const manager = new Manager({
  nodes: [{ identifier: 'node', host: input.host, port: input.port, password: input.password }],
  send: (_guild, payload) => discord(payload, (packet) => manager.updateVoiceState(packet)),
});
manager.on('nodeError', (_node, error) => console.error(error));

let connected, greeted, track, player;
const update = (test) => next(manager, 'nodeRaw', ({ op, state }) => op === 'playerUpdate' && test(state));

await run({
  async connect() {
    connected = next(manager, 'nodeConnect');
    greeted = next(manager, 'nodeRaw', ({ op }) => op === 'stats');
    manager.init(input.userId);
    await connected;
  },
  async ready() {
    await greeted;
  },
  async load() {
    const result = await manager.search(input.identifier, 'driver');
    expect('load type', result.loadType, 'TRACK_LOADED');
    [track] = result.tracks;
  },
  async create() {
    player = manager.create({ guild: input.guildId, voiceChannel: input.voice.channelId, textChannel: '1' });
    player.connect();
    while (!player.voiceState.event) await new Promise((resolve) => setTimeout(resolve, 5));
  },
  async play() {
    const started = next(manager, 'trackStart');
    await player.play(track);
    await started;
  },
  async position() {
    await update(({ position }) => position > 0);
  },
  async pause() {
    player.pause(true);
    expect('paused', player.paused, true);
    player.pause(false);
    expect('paused', player.paused, false);
  },
  async seek() {
    const moved = update(({ position }) => position >= SEEK_MS);
    player.seek(SEEK_MS);
    await moved;
  },
  async volume() {
    player.setVolume(VOLUME);
    expect('volume', player.volume, VOLUME);
  },
  async filter() {
    player.setEQ({ band: BAND, gain: GAIN });
    await update(() => true);
  },
  async stop() {
    const ended = next(manager, 'queueEnd');
    player.stop();
    const [, , { reason }] = await ended;
    expect('reason', reason, 'STOPPED');
  },
  async destroy() {
    player.destroy();
    expect('players', manager.players.size, 0);
  },
  async disconnect() {
    const closed = next(manager, 'nodeDisconnect');
    const node = manager.nodes.get('node');
    // As the library's own Node#destroy does, but that removes the listener that tells of the end.
    node.socket.close(1000, 'destroy');
    await closed;
  },
});
