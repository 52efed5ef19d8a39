import { gzipSync } from 'node:zlib';
import test from 'ava';
import type { ReplayFigures } from '../../src/cli/replay/replayer.js';
import { hasCode, type Store, StoreError } from '../../src/index.js';
import type { TraceOperation } from '../support/ceph-model.js';
import { newBench } from './fixture.js';
import { modelOf, OBJECT, PG, ReplayBench, SMALL, traceOf } from './replay-fixture.js';

test('holdfast replay prints figures and compares with a state', async (t) => {
  const bench = await newBench(t);
  const replayed = new ReplayBench(t);
  const trace = replayed.file('trace.jsonl.gz', gzipSync(traceOf(...SMALL)));
  const state = replayed.file('state.jsonl', `${modelOf(SMALL).stateLines().join('\n')}\n`);
  interface Figures {
    readonly lines: number;
    readonly transactions: number;
    readonly resumedAt: number;
    readonly userBytes: number;
    readonly transactionsPerSecond: number;
    readonly commitMs: { readonly p50: number; readonly p99: number };
    readonly device: { readonly writtenBytes: number; readonly amplification: number };
    readonly space: {
      readonly stored: number;
      readonly allocated: number;
      readonly metadata: number;
    };
    readonly check: Readonly<Record<string, unknown>>;
  }
  const options = ['--check', state, '--batch', '2', '--in-flight', '3'];
  const figures = await bench.json<Figures>('replay', trace, ...options);
  const { check, device, space, commitMs } = figures;
  t.is(figures.lines, 5);
  t.is(figures.transactions, 3);
  t.is(figures.userBytes, 5000 + 1 + 250 + 7 + 20 + 2 + 15 + 2 + 10 + 12);
  t.true(figures.transactionsPerSecond > 0 && commitMs.p50 > 0 && commitMs.p99 >= commitMs.p50);
  t.true(device.writtenBytes > figures.userBytes);
  t.is(device.amplification, device.writtenBytes / figures.userBytes);
  t.true(space.stored === 10_000 && space.allocated > space.metadata && space.metadata > 0);
  t.deepEqual(check, {
    collections: 1,
    objects: 3,
    dataVerified: 3,
    valuesVerified: 4,
    dataUnknown: 0,
    valuesUnknown: 0,
    differences: 0,
    listed: [],
  });
  const again = await bench.ok('replay', trace, '--check', state);
  t.regex(again, /^gone on: +behind line 5$/m);
  t.regex(again, /^check: +0 differences in 1 collections and 3 objects/m);
  await bench.ok('fsck', '--deep');
});

test('holdfast replay names differences and answers with exit code 1', async (t) => {
  const bench = await newBench(t);
  const files = new ReplayBench(t);
  const trace = files.file('trace', traceOf(...SMALL));
  const state = files.file('state', modelOf(SMALL.slice(0, 3)).stateLines().join('\n'));
  const { code, text, stderr } = await bench.run('replay', trace, '--check', state);
  t.is(code, 1, stderr);
  t.regex(text, /^map header of 2\.0_head #2:40000000:::o:head# has 12 bytes, not 0$/m);
  t.regex(text, /^object 2\.0_head #2:40000000:::o:4# should not be there$/m);
  t.regex(text, /^check: +2 differences/m);
});

test('holdfast replay turns bad arguments and bad traces into one line', async (t) => {
  const bench = await newBench(t);
  const files = new ReplayBench(t);
  const bad = files.file('bad', traceOf(...SMALL, [['fly', PG, OBJECT]]));
  await bench.fails(2, /--batch 0: expected at least 1/, 'replay', bad, '--batch', '0');
  await bench.fails(2, /--in-flight "many"/, 'replay', bad, '--in-flight', 'many');
  await bench.fails(1, /no such file/i, 'replay', files.directory.concat('/none'));
  await bench.fails(1, /line 6 .*operation 1 \(fly\): there is no such operation/, 'replay', bad);
  await bench.ok('fsck', '--deep');
});

test('checkState() names every kind of difference', async (t) => {
  const bench = new ReplayBench(t);
  await bench.replay(traceOf(...SMALL, [['mkcoll', 'meta', 0]]));
  const state = modelOf(SMALL).stateLines();
  const changed = (find: string | RegExp, replacement: string): string[] => {
    const index = state.findIndex((line) => line.includes(OBJECT));
    return state.map((line, at) => (at === index ? line.replace(find, replacement) : line));
  };
  const extra = 'collection meta should not be there';
  const where = `2.0_head ${OBJECT}`;
  const cases: [string[], string][] = [
    [
      state.map((line) => line.replace('"bits":0', '"bits":2')),
      `collection ${PG} has 0 bits, should have 2`,
    ],
    [[...state, '{"coll":"3.0_head","bits":0}'], 'collection 3.0_head is missing'],
    [changed('"size":5000', '"size":5001'), `object ${where} has 5000 bytes, should have 5001`],
    [changed(/"sha256":"./, '"sha256":"x'), `data of ${where} is not that of the state`],
    [changed('"_":250', '"_":251'), `_ in attributes of ${where} has 250 bytes, should have 251`],
    [changed('"_":250', '"__":250'), `_ in attributes of ${where} should not be there`],
    [changed('"_":250', '"_":250,"x":1'), `x in attributes of ${where} is missing`],
    [
      changed(/"k1":\[15,"./, '"k1":[15,"x'),
      `k1 in map of ${where} has other bytes than in the state`,
    ],
    [
      changed('"omap_header":12', '"omap_header":13'),
      `map header of ${where} has 12 bytes, not 13`,
    ],
    [state.filter((line) => !line.includes(OBJECT)), `object ${where} should not be there`],
    [
      changed(
        '',
        '{"c":"2.0_head","o":"#2:1:::o:head#","size":0,"attrs":{},"omap":{},"omap_header":0}\n',
      ).map((line) => line.replace('#2:1:', '#2:10000000:')),
      'object 2.0_head #2:10000000:::o:head# is missing',
    ],
  ];
  t.deepEqual(await bench.differences(state), [extra]);
  for (const [lines, difference] of cases) {
    const found = await bench.differences(lines);
    t.true(found.includes(difference), `${difference}: ${found.join('; ')}`);
    t.true(found.length <= 3);
  }
});

test('checkState() refuses a state that makes no sense with E_TRACE', async (t) => {
  const bench = new ReplayBench(t);
  await bench.replay(traceOf(...SMALL));
  const state = modelOf(SMALL).stateLines();
  const bad = [
    ['{'],
    ['[]'],
    ['{"coll":"x"}'],
    state.slice(1),
    [...state, state[1]?.slice(0, -9) ?? ''],
  ];
  for (const lines of bad) {
    const error = await t.throwsAsync(bench.differences(lines));
    t.true(hasCode(error, 'E_TRACE'), lines[0]);
  }
});

/** Traces that make no sense at their last line, and what is said about it. */
const BAD_LINES: readonly (readonly [line: string, reason: RegExp])[] = [
  ['{"n":6,"c":"x","ops":[["touch","2.0_', /it is no JSON/],
  ['[]', /it is no object/],
  ['7', /it is no object/],
  ['{}', /its number is undefined/],
  ['null', /it is no object/],
  ['{"n":7,"ops":[]}', /its number is 7/],
  ['{"n":6}', /no list of operations/],
  ['{"n":6,"ops":[],"parts":[1]}', /its parts/],
  ['{"n":6,"ops":[7]}', /operation 1 is no list/],
  ['{"n":6,"ops":[["fly"]]}', /operation 1 \(fly\): there is no such operation/],
  ['{"n":6,"ops":[["constructor","2.0_head"]]}', /no such operation/],
  ['{"n":6,"ops":[["touch","2.0_head"]]}', /\(touch\): it has 1 arguments/],
  ['{"n":6,"ops":[["touch","2.0_head","o"]]}', /Cannot read object "o"/],
  ['{"n":6,"ops":[["touch",2,"#2:40000000:::o:head#"]]}', /argument 1 is no text/],
  ['{"n":6,"ops":[["touch","","#2:40000000:::o:head#"]]}', /a collection has no name/],
  ['{"n":6,"ops":[["write","2.0_head","#2:40000000:::o:head#",0,-1]]}', /a length is no whole/],
  ['{"n":6,"ops":[["write","2.0_head","#2:40000000:::o:head#",0,1e12]]}', /a length is no whole/],
  ['{"n":6,"ops":[["write","2.0_head","#2:40000000:::o:head#",1.5,1]]}', /argument 3 is no whole/],
  ['{"n":6,"ops":[["write","2.0_head","#2:40000000:::o:head#",0,1,"s"]]}', /a seed is no whole/],
  ['{"n":6,"ops":[["setattr","2.0_head","#2:40000000:::o:head#","a",[1]]]}', /neither length nor/],
  ['{"n":6,"ops":[["setattrs","2.0_head","#2:40000000:::o:head#",[]]]}', /no set of keys/],
  [
    '{"n":6,"ops":[["omap_rmkeys","2.0_head","#2:40000000:::o:head#",[1]]]}',
    /a key that is no text/,
  ],
  ['{"n":6,"ops":[["split_collection","2.0_head",1,2,"2.1_head"]]}', /argument 3 is no whole/],
  [
    '{"n":6,"ops":[["merge_collection","2.0_head",1,"meta"]]}',
    /one of the two collections is no PG/,
  ],
  ['{"n":6,"ops":[["mkcoll","2.1_head",33]]}', /argument 2 is no whole/],
];

test('replay() answers a line that makes no sense with E_TRACE, and the store is sound', async (t) => {
  const bench = new ReplayBench(t);
  for (const [line, reason] of BAD_LINES) {
    const error = await bench.replay(`${traceOf(...SMALL)}${line}\n`);
    t.true(hasCode(error, 'E_TRACE'), line);
    const { message } = error as StoreError;
    t.regex(message, /line 6 of /);
    t.regex(message, reason);
  }
  t.deepEqual(await bench.differences(modelOf(SMALL).stateLines()), []);
  const more: readonly TraceOperation[] = [['remove', PG, OBJECT]];
  const figures = await bench.replay(traceOf(...SMALL, more));
  t.like(figures, { resumedAt: 5, lines: 1 });
  t.deepEqual(await bench.differences(modelOf([...SMALL, more]).stateLines()), []);
});

/** What the store itself refuses, behind SMALL. */
const REFUSED: readonly (readonly [operation: TraceOperation, code: string])[] = [
  [['setattr', PG, '#2:50000000:::missing:head#', 'a', 1], 'E_NOT_FOUND'],
  [['touch', '3.0_head', OBJECT], 'E_NOT_FOUND'],
  [['mkcoll', PG, 0], 'E_EXISTS'],
  [['rmcoll', PG], 'E_NOT_EMPTY'],
  [['clonerange2', PG, OBJECT, '#2:50000000:::d:head#', 4000, 2000, 0], 'E_INVALID'],
  [['coll_move_rename', PG, OBJECT, PG, '#2:40000000:::o:4#'], 'E_EXISTS'],
];

test('replay() stops at a refused line, names it, and applies nothing behind it', async (t) => {
  for (const inFlight of [1, 16]) {
    const bench = new ReplayBench(t);
    for (const [operation, code] of REFUSED) {
      const behind: readonly TraceOperation[] = [['touch', PG, '#2:60000000:::behind:head#']];
      const error = await bench.replay(traceOf(...SMALL, [operation], behind, behind), {
        inFlight,
      });
      t.true(error instanceof StoreError && error.code === code, operation[0]);
      t.regex((error as StoreError).message, /^Cannot replay line 6: /);
    }
    t.deepEqual(await bench.differences(modelOf(SMALL).stateLines()), []);
  }
});

test('replay() tolerates what Ceph tolerates', async (t) => {
  const bench = new ReplayBench(t);
  const missing = '#2:50000000:::missing:head#';
  const lines: readonly (readonly TraceOperation[])[] = [
    ...SMALL,
    [
      ['remove', PG, missing],
      ['truncate', PG, missing, 5],
      ['rmattrs', PG, missing],
      ['omap_clear', PG, missing],
      ['set_alloc_hint', PG, missing, 1, 1],
      ['try_rename', PG, missing, '#2:60000000:::new:head#'],
      ['coll_move_rename', PG, missing, PG, '#2:60000000:::new:head#'],
      ['create', PG, OBJECT],
      ['rmattr', PG, OBJECT, 'missing'],
      ['omap_rmkeys', PG, OBJECT, ['missing']],
      ['omap_rmkeys', PG, OBJECT, []],
      ['omap_setkeys', PG, OBJECT, {}],
      ['write', PG, OBJECT, 9000, 0],
      ['zero', PG, OBJECT, 9000, 0],
    ],
  ];
  t.like(await bench.replay(traceOf(...lines)), { lines: 6 });
  t.deepEqual(await bench.differences(modelOf(lines).stateLines()), []);
});

test('replay() answers a trace that is cut short or damaged with E_TRACE', async (t) => {
  const whole = gzipSync(traceOf(...SMALL, [['touch', PG, OBJECT]]));
  const flipped = Uint8Array.from(whole);
  flipped[whole.length >> 1] = (flipped[whole.length >> 1] ?? 0) ^ 0xff;
  const checksum = Uint8Array.from(whole);
  checksum[whole.length - 8] = (checksum[whole.length - 8] ?? 0) ^ 1;
  for (const bytes of [
    whole.subarray(0, whole.length >> 1),
    whole.subarray(0, -1),
    flipped,
    checksum,
  ]) {
    const bench = new ReplayBench(t);
    const error = await bench.replay(bytes);
    t.true(hasCode(error, 'E_TRACE'));
    t.regex((error as StoreError).message, /line \d+ of /);
    const { resumedAt, lines } = (await bench.replay(whole)) as ReplayFigures;
    t.is(resumedAt + lines, 6);
    t.deepEqual(await bench.differences(modelOf(SMALL).stateLines()), []);
  }
});

test('replay() answers a line that is too long with E_TRACE', async (t) => {
  const bench = new ReplayBench(t);
  const error = await bench.replay(`${traceOf(...SMALL)}${'x'.repeat(16 * 1024 * 1024 + 1)}`);
  t.true(hasCode(error, 'E_TRACE'));
  t.regex((error as StoreError).message, /line 6 of .* more than 16777216 bytes/);
});

test('replay() refuses a store that holds something else with E_NOT_EMPTY', async (t) => {
  for (const name of ['photos', '.replay']) {
    const bench = new ReplayBench(t);
    await bench.withStore(async (store: Store) => {
      const setup = store.transaction().createCollection(name).touch(name, 'cursor');
      await store.commit(setup);
    });
    const error = await bench.replay(traceOf(...SMALL));
    t.true(hasCode(error, 'E_NOT_EMPTY'));
  }
});

test('replay() refuses to go on with another trace, or with a shorter one', async (t) => {
  const bench = new ReplayBench(t);
  await bench.replay(traceOf(...SMALL));
  const other = SMALL.map((line, index) => (index === 1 ? [['touch', PG, OBJECT] as const] : line));
  for (const lines of [other, [...other, ...SMALL], SMALL.slice(0, 4), []]) {
    const error = await bench.replay(traceOf(...lines).trimStart());
    t.true(hasCode(error, 'E_TRACE'));
    t.regex((error as StoreError).message, /have been replayed|has replayed/);
  }
  t.like(await bench.replay(traceOf(...SMALL)), { resumedAt: 5, lines: 0 });
});

test('replay() keeps keys that are no UTF-8, as bytes and as escapes', async (t) => {
  const bench = new ReplayBench(t);
  const line = '{"n":6,"ops":[["omap_setkeys","2.0_head","#2:40000000:::o:head#",{"\\udcff":1,"';
  const raw = Buffer.concat([
    Buffer.from(`${traceOf(...SMALL)}${line}`),
    Buffer.from([0x61, 0xfe]),
    Buffer.from('":2}]]}\n'),
  ]);
  t.like(await bench.replay(raw), { lines: 6 });
  await bench.withStore(async (store: Store) => {
    const hash = 2; // 40000000 with its bits reversed
    const listed = (await store.collection(PG).list()).findLast((one) => one.hash === hash);
    const name = listed?.name ?? '';
    const entries = await store.collection(PG).object({ name, hash }).mapEntries();
    t.deepEqual(entries.map(([key]) => Buffer.from(key).toString('hex')).sort(), [
      '61fe',
      '6b31',
      '6b32',
      'ff',
    ]);
  });
});
