import test from 'ava';
import { pathFault } from '../../src/cli/relative-path.js';
import { formatSeconds, formatSize, parseSize } from '../../src/cli/size.js';
import { bytesOf, jsonBytes, nameOf, printable } from '../../src/cli/text.js';

test('parseSize() takes binary units and plain bytes', (t) => {
  t.is(parseSize('0'), 0);
  t.is(parseSize('4096'), 4096);
  t.is(parseSize('12B'), 12);
  t.is(parseSize('64KiB'), 65536);
  t.is(parseSize('64k'), 65536);
  t.is(parseSize('1.5GiB'), 1610612736);
  t.is(parseSize('2T'), 2 * 1024 ** 4);
});

test('parseSize() refuses everything else', (t) => {
  for (const text of ['', 'x', '-1', '1MB', '0.3', '1e3', '9999999PiB', '1 2', '0x10', 'KiB']) {
    t.throws(() => parseSize(text), { code: 'E_USAGE' }, text);
  }
});

test('formatSize() and parseSize() agree on whole sizes', (t) => {
  for (const text of ['0B', '1B', '1023B', '1KiB', '64KiB', '1GiB', '5TiB']) {
    t.is(formatSize(parseSize(text)), text);
  }
  t.is(formatSize(1536), '1.50KiB');
  t.is(formatSize(123456), '120.6KiB');
});

test('formatSeconds() is short', (t) => {
  t.is(formatSeconds(1.234), '1.23s');
  t.is(formatSeconds(59.94), '59.9s');
  t.is(formatSeconds(125), '2m05s');
  t.is(formatSeconds(3720), '1h02m');
});

test('printable() and bytesOf() are inverse for every two bytes', (t) => {
  for (let first = 0; first < 256; first++) {
    for (let second = 0; second < 256; second++) {
      const bytes = Buffer.of(first, second);
      const text = printable(bytes);
      if (!bytes.equals(bytesOf(text, 'NAME')) || /[^ -~\u0080-\uffff]/.test(text)) {
        t.fail(`${bytes.toString('hex')}: ${text}`);
        return;
      }
    }
  }
  t.pass();
});

test('printable() keeps text and escapes the rest', (t) => {
  t.is(printable(Buffer.from('ü 🌿')), 'ü 🌿');
  t.is(printable(Buffer.from('a\nb\t\\')), 'a\\nb\\t\\\\');
  t.is(printable(Buffer.from('\u0000\u001b[31m\u007f')), '\\x00\\x1b[31m\\x7f');
  t.is(printable(Buffer.from('\u202eabc')), '\\xe2\\x80\\xaeabc');
  t.is(printable(Buffer.from('ü\u{1f33f}').subarray(0, 5)), 'ü\\xf0\\x9f\\x8c');
  t.is(printable(Buffer.of(0xc3, 0xbc, 0xff, 0x61)), 'ü\\xffa');
});

test('bytesOf() refuses what it could not give back', (t) => {
  t.throws(() => bytesOf('a\ufffdb', 'NAME'), { code: 'E_USAGE', message: /write each as/ });
  for (const text of ['\\', '\\q', '\\x1', '\\xzz', 'a\\']) {
    t.throws(() => bytesOf(text, 'NAME'), { code: 'E_USAGE' }, text);
  }
  t.throws(() => nameOf('', 'NAME'), { code: 'E_USAGE' });
});

test('jsonBytes() adds base64 to what is not UTF-8', (t) => {
  t.deepEqual(jsonBytes('name', Buffer.from('a\n')), { name: 'a\n' });
  t.deepEqual(jsonBytes('name', Buffer.of(0xff)), { name: '\\xff', nameBase64: '/w==' });
});

test('pathFault() lets only paths below a directory pass', (t) => {
  for (const name of ['a', 'a/b', '.a', 'a..b/...', ' ']) {
    t.is(pathFault(Buffer.from(name)), undefined, name);
  }
  for (const name of ['', '/', '/a', '..', 'a/../b', 'a/..', '.', './a', 'a//b', 'a/', 'a\0b']) {
    t.not(pathFault(Buffer.from(name)), undefined, JSON.stringify(name));
  }
});
