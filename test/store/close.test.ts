import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { MemoryDevice, mkfsOn, Store } from '../../src/index.js';

/** A device whose flushes take a while, and writes during one even longer. */
class SlowDevice extends MemoryDevice {
  flushing = false;
  writesUnderWay = 0;
  writesUnderWayAtClose: number | undefined;

  override async write(offset: number, sources: readonly Uint8Array[]): Promise<void> {
    this.writesUnderWay++;
    if (this.flushing) await delay(300);
    this.writeSync(offset, sources);
    this.writesUnderWay--;
  }

  override async flush(): Promise<void> {
    this.flushing = true;
    await delay(60);
    this.flushing = false;
  }

  override closeSync(): void {
    this.writesUnderWayAtClose ??= this.writesUnderWay;
    super.closeSync();
  }
}

test('close() gives the device back with no write under way, that of a mark neither', async (t) => {
  const device = new SlowDevice({ size: 64 * 1024 * 1024 });
  mkfsOn(device);
  const store = await Store.openOn(device);
  await store.commit(store.transaction().createCollection('c').touch('c', 'o'));
  // The mark behind the last record comes due while the last checkpoint is being flushed.
  await store.close();
  t.is(device.writesUnderWayAtClose, 0);
});
