/** What a failing simulation needs to fail. */

import { type Action, describeScript } from './script.js';
import { shrink } from './shrink.js';
import { play, type SimulationOptions } from './simulation.js';

export interface Explanation {
  /** Fails, and is as short as could be found. */
  readonly script: readonly Action[];
  /** What it fails with. */
  readonly reason: string;
  readonly text: string;
}

/** Shortens a script that fails: its actions, then the operations of each transaction. */
export async function explain(
  script: readonly Action[],
  options: SimulationOptions,
): Promise<Explanation> {
  let reason = 'It does not fail';
  const failsWith = async (actions: readonly Action[], isThorough: boolean): Promise<boolean> => {
    try {
      await play(actions, { ...options, isThorough });
      return false;
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
      return true;
    }
  };
  // Much quicker without second crashes, where the failure is not one of these.
  const isThorough = !(await failsWith(script, false));
  const fails = (actions: readonly Action[]): Promise<boolean> => failsWith(actions, isThorough);
  const shortest = await shrinkOperations(await shrink(script, fails), fails);
  await fails(shortest);
  return { script: shortest, reason, text: `${reason}\n${describeScript(shortest)}` };
}

async function shrinkOperations(
  script: readonly Action[],
  fails: (script: readonly Action[]) => Promise<boolean>,
): Promise<readonly Action[]> {
  let best = script;
  for (const [i, action] of script.entries()) {
    if (!('operations' in action)) continue;
    const operations = await shrink(action.operations, (some) =>
      fails(best.with(i, { ...action, operations: some })),
    );
    best = best.with(i, { ...action, operations });
  }
  return best;
}
