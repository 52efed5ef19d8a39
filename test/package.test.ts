import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

test('the package holds the compiled sources and documents, and nothing else', (t) => {
  // Without scripts: packing compiles from scratch, and would take dist away under this test.
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel', 'silent'];
  const output = execFileSync('npm', args, { cwd: ROOT, encoding: 'utf8' });
  const [{ files }]: [{ files: { path: string }[] }] = JSON.parse(output);
  const paths = files.map(({ path }) => path);
  for (const path of ['dist/src/index.js', 'dist/src/index.d.ts', 'dist/src/cli/main.js']) {
    t.true(paths.includes(path), path);
  }
  const rest = paths.filter((path) => !/^(dist\/src|docs)\//.test(path));
  t.deepEqual(rest.sort(), ['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json']);
  t.deepEqual(
    paths.filter((path) => path.endsWith('.map')),
    [],
  );
});
