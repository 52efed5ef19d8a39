/**
 * A thread that starts one process after the other, until it is terminated.
 *
 * A child has copies of all descriptors of the process until it has become another program: what
 * was just closed is still open there for a moment.
 */

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

const SCRIPT = `
  const { spawn } = require('node:child_process');
  const next = () => spawn('true').on('close', next);
  for (let i = 0; i < 3; i++) next();`;

export async function startChildren(): Promise<Worker> {
  const worker = new Worker(SCRIPT, { eval: true });
  await once(worker, 'online');
  return worker;
}
