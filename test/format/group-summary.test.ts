import test from 'ava';
import { AssertionError } from '../../src/assert.js';
import { GROUP_SUMMARY, getGroupSummary, putGroupSummary } from '../../src/format/group-summary.js';

const SUMMARY = {
  free: 0x0000_7e01,
  longest: 0x0000_1234,
  address: 0x0a0b_0c0d_0e0f,
  copy: 0x1a1b_1c1d_1e1f,
  birth: 0x0102_0304_0506,
  low: 0xdead_beef,
  high: 0x8123_4567,
  unerased: true,
};

test('putGroupSummary() writes the golden bytes and getGroupSummary() reads them', (t) => {
  const bytes = new Uint8Array(GROUP_SUMMARY.size + 2).fill(0xee);
  putGroupSummary(bytes, 1, SUMMARY);
  t.is(
    Buffer.from(bytes).toString('hex'),
    'ee017e0000341200000f0e0d0c0b0a060504030201efbeadde674523811f1e1d1c1b1a01ee',
  );
  t.deepEqual(getGroupSummary(bytes, 1), SUMMARY);
});

test('putGroupSummary() refuses a run longer than all that is free', (t) => {
  const bytes = new Uint8Array(GROUP_SUMMARY.size);
  t.throws(() => putGroupSummary(bytes, 0, { ...SUMMARY, longest: SUMMARY.free + 1 }), {
    instanceOf: AssertionError,
  });
});
