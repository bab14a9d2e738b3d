// Drives riffy 1 in its v4 mode.
import { runRiffy } from './riffy-life.mjs';

await runRiffy('v4');
