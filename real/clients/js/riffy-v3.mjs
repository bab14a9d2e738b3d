// Drives riffy 1 in its v3 mode: REST below /v3, WebSocket at /.
import { runRiffy } from './riffy-life.mjs';

await runRiffy('v3');
