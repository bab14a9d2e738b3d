// Drives shoukaku 3 (Lavalink v3, ops only). See erela.mjs on what confirms an op.
import { Connector, Shoukaku } from 'shoukaku-v3';

import { BAND, GAIN, SEEK_MS, VOLUME, discord, expect, input, next, run } from './life.mjs';

class StubConnector extends Connector {
  getId() {
    return input.userId;
  }

  sendPacket(_shard, payload) {
    discord(payload, (packet) => this.raw(packet));
  }

  listen(nodes) {
    this.ready(nodes);
  }
}

const nodes = [{ name: 'node', url: `${input.host}:${input.port}`, auth: input.password }];
const connector = new StubConnector({});
const options = { resume: true, resumeKey: `driver-${input.voice.sessionId}`, resumeTimeout: 30, userAgent: 'driver/1' };
let ready, shoukaku, node, track, player;

await run({
  async connect() {
    shoukaku = new Shoukaku(connector, [], options);
    shoukaku.on('error', (name, error) => console.error(name, error));
    ready = next(shoukaku, 'ready');
    connector.listen(nodes);
  },
  async ready() {
    const [, reconnected] = await ready;
    expect('reconnected', reconnected, false);
    node = shoukaku.getNode();
  },
  async load() {
    const result = await node.rest.resolve(input.identifier);
    expect('load type', result.loadType, 'TRACK_LOADED');
    [track] = result.tracks;
  },
  async create() {
    player = await node.joinChannel({ guildId: input.guildId, channelId: input.voice.channelId, shardId: 0 });
  },
  async play() {
    const started = next(player, 'start');
    player.playTrack({ track: track.track });
    await started;
  },
  async position() {
    await next(player, 'update', ({ state }) => state.position > 0);
  },
  async pause() {
    player.setPaused(true);
    expect('paused', player.paused, true);
    player.setPaused(false);
    expect('paused', player.paused, false);
  },
  async seek() {
    const moved = next(player, 'update', ({ state }) => state.position >= SEEK_MS);
    player.seekTo(SEEK_MS);
    await moved;
  },
  async volume() {
    player.setVolume(VOLUME / 100);
    expect('volume', player.filters.volume, VOLUME / 100);
  },
  async filter() {
    player.setEqualizer([{ band: BAND, gain: GAIN }]);
    await next(player, 'update');
  },
  async stop() {
    const ended = next(player, 'end');
    player.stopTrack();
    const [{ reason }] = await ended;
    expect('reason', reason, 'STOPPED');
  },
  async destroy() {
    node.leaveChannel(input.guildId);
    expect('players', node.players.size, 0);
  },
  async disconnect() {
    const closed = next(shoukaku, 'disconnect');
    node.disconnect(1000, 'done');
    await closed;
  },
});
