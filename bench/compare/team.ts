/**
 * Runs a workload: a process for each system, rounds in turn, and the order turns too.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Answer, Step } from './agent.js';
import { forgetPages, MemoryLimit } from './memory-limit.js';
import type { SystemName, SystemOptions } from './system.js';
import { type Sample, type Scale, SMALL_HEAP, type Workload } from './workload.js';

const AGENT = fileURLToPath(new URL('./agent.js', import.meta.url));

/** Rounds that a median with a spread needs. */
const ROUNDS_MIN = 3;

const OPTIONS_DEFAULT = {
  cacheBytes: 64 * 1024 ** 2,
  shape: 'objects',
  valueBytes: 100,
  fixedSize: true,
  sizeMax: 64 * 1024 ** 3,
  preallocated: false,
} as const;

/** Samples of each system that took part, or why none did. */
export type Samples = Partial<Record<SystemName, readonly Sample[] | { readonly failed: string }>>;

export interface TeamOptions {
  readonly workload: Workload;
  readonly scale: Scale;
  readonly systems: readonly SystemName[];
  /** Holds a directory for each system. */
  readonly directory: string;
  /** They hold the workload's dataset already: what is missing has failed before. */
  readonly isFilled?: boolean;
  /** They stay, for a workload with the same dataset. */
  readonly keeps?: boolean;
}

/** All rounds of all systems; a system that fails leaves the others alone. */
export async function runTeam(options: TeamOptions): Promise<Samples> {
  const { workload, scale } = options;
  const members = options.systems
    .filter((name) => workload.systems.includes(name))
    .map((name) => new Member(name, options));
  try {
    await Promise.all(members.map((member) => member.begin()));
    const rounds = workload.rounds ?? scale.rounds;
    if (workload.warmUp === true) for (const member of members) await member.warmUp(rounds);
    const end = performance.now() + scale.roundsSeconds * 1000;
    for (let round = 0; round < rounds; round++) {
      const mayEnd = workload.rounds === undefined && round >= ROUNDS_MIN;
      if (mayEnd && performance.now() > end) break;
      for (let i = 0; i < members.length; i++) {
        await members[(i + round) % members.length]?.round(round);
      }
    }
  } finally {
    for (const member of members) await member.end();
  }
  return Object.fromEntries(members.map((member) => [member.name, member.result]));
}

class Member {
  readonly name: SystemName;
  readonly #options: TeamOptions;
  readonly #directory: string;
  readonly #samples: Sample[] = [];
  #limit: MemoryLimit | undefined;
  #agent: ChildProcess | undefined;
  #failed: string | undefined;

  constructor(name: SystemName, options: TeamOptions) {
    this.name = name;
    this.#options = options;
    this.#directory = join(options.directory, name);
  }

  get result(): readonly Sample[] | { readonly failed: string } {
    return this.#failed === undefined ? this.#samples : { failed: this.#failed };
  }

  async begin(): Promise<void> {
    const { isFilled = false, workload } = this.#options;
    const { memoryBytes, freshProcess = false } = workload;
    if (!isFilled) mkdirSync(this.#directory);
    else if (!existsSync(this.#directory)) this.#failed = 'its store could not be filled';
    await this.#start();
    if (!isFilled) await this.#ask({ kind: 'fill' });
    await this.#ask({ kind: 'setup' });
    if (!freshProcess && memoryBytes === undefined) return;
    await this.#stop();
    if (memoryBytes !== undefined) {
      forgetPages(this.#directory);
      this.#limit = new MemoryLimit(memoryBytes);
    }
    await this.#start();
  }

  /** A round whose figures nobody keeps. */
  async warmUp(round: number): Promise<void> {
    await this.#ask({ kind: 'round', round });
  }

  async round(round: number): Promise<void> {
    const answer = await this.#ask({ kind: 'round', round });
    if (answer?.sample !== undefined) this.#samples.push(answer.sample);
  }

  async end(): Promise<void> {
    await this.#stop();
    this.#limit?.remove();
    if (this.#options.keeps === true && this.#failed === undefined) return;
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    if (this.#failed !== undefined) return;
    const execArgv = this.#limit === undefined ? [] : SMALL_HEAP;
    this.#agent = fork(AGENT, { execArgv: [...execArgv] });
    if (this.#agent.pid !== undefined) this.#limit?.add(this.#agent.pid);
    const { workload, scale } = this.#options;
    const options: SystemOptions = {
      ...OPTIONS_DEFAULT,
      ...workload.options,
      directory: this.#directory,
    };
    await this.#ask({
      kind: 'open',
      system: this.name,
      workload: workload.name,
      scale: scale.name,
      options,
    });
  }

  async #stop(): Promise<void> {
    await this.#ask({ kind: 'close' });
    const agent = this.#agent;
    if (agent === undefined) return;
    this.#agent = undefined;
    if (agent.exitCode !== null || agent.signalCode !== null) return;
    const ended = new Promise((resolve) => agent.once('exit', resolve));
    agent.disconnect();
    await ended;
  }

  /** The answer; undefined when the system has failed, now or before. */
  async #ask(step: Step): Promise<{ readonly sample?: Sample } | undefined> {
    const agent = this.#agent;
    if (agent === undefined || this.#failed !== undefined) return undefined;
    const answer = await new Promise<Answer>((resolve) => {
      const died = (): void => resolve({ error: `its process ended: ${agent.signalCode}` });
      agent.once('exit', died);
      agent.once('message', (message) => {
        agent.off('exit', died);
        resolve(message as Answer);
      });
      agent.send(step);
    });
    if (!('error' in answer)) return answer;
    this.#failed = `${step.kind}: ${answer.error}`;
    return undefined;
  }
}
