// What the drivers of shoukaku 4 share: a stand-in for the Discord library that shoukaku connects to.
import { Connector } from 'shoukaku';

import { discord, input } from './life.mjs';

/** A Discord client of which only the voice gateway exists. */
export class StubConnector extends Connector {
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
